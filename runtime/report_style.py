"""The style sheet of the report: one text, so that the page needs no other file."""

STYLE = """
:root {
  --paper: #fbfaf8; --card: #ffffff; --ink: #1d1b1a; --soft: #6d6864; --rule: #e4dfda;
  --a: #c2410c; --b: #52606d; --c: #0f766e; --d: #7e22ce; --e: #1d4ed8;
  --band: #0f766e22; --good: #0f766e; --bad: #b91c1c;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #12100f; --card: #1b1817; --ink: #f0ebe6; --soft: #a59d96; --rule: #322d2a;
    --a: #fb8a4c; --b: #9aa7b4; --c: #3fc1b0; --d: #c084fc; --e: #7aa2ff;
    --band: #3fc1b026; --good: #3fc1b0; --bad: #f87171;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0 auto; max-width: 1060px; padding: 40px 24px 80px; background: var(--paper); color: var(--ink);
  font: 15px/1.55 system-ui, -apple-system, "Segoe UI", sans-serif; font-variant-numeric: tabular-nums;
}
h1 { font-size: 30px; line-height: 1.2; margin: 0 0 6px; letter-spacing: -0.01em; }
h2 { font-size: 21px; margin: 52px 0 4px; padding-top: 14px; border-top: 1px solid var(--rule); }
p { margin: 6px 0 14px; max-width: 72ch; }
.soft, figcaption, .tick, small { color: var(--soft); }
.facts { color: var(--soft); margin-bottom: 26px; max-width: none; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; margin: 10px 0 18px; background: var(--card); border-radius: 8px; }
th, td { text-align: left; padding: 7px 12px; border-bottom: 1px solid var(--rule); vertical-align: top; }
tr:last-child td { border-bottom: 0; }
table.wide { font-size: 13px; } .wide th, .wide td { padding: 7px 5px; } .wide small { display: block; }
th { font-weight: 600; font-size: 13px; color: var(--soft); }
td.n, th.n { text-align: right; white-space: nowrap; }
.good { color: var(--good); font-weight: 600; } .bad { color: var(--bad); font-weight: 600; }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(400px, 1fr)); gap: 16px; margin: 14px 0; }
figure {
  margin: 0; padding: 14px 14px 10px; background: var(--card); border: 1px solid var(--rule); border-radius: 8px;
}
figcaption { font-size: 13px; margin-bottom: 8px; }
svg { display: block; width: 100%; height: auto; }
.grid { stroke: var(--rule); } .tick { font-size: 11px; fill: var(--soft); } .band { fill: var(--band); }
.line { fill: none; stroke-width: 2; } .line.a { stroke: var(--a); } .line.b { stroke: var(--b); }
.line.c { stroke: var(--c); } .line.d { stroke: var(--d); } .line.e { stroke: var(--e); }
.dot.a, .bar.a { fill: var(--a); } .dot.b, .bar.b { fill: var(--b); }
.dot.c, .bar.c { fill: var(--c); } .dot.d, .bar.d { fill: var(--d); } .dot.e, .bar.e { fill: var(--e); }
.keys { display: flex; flex-wrap: wrap; gap: 4px 16px; font-size: 12px; color: var(--soft); margin-top: 6px; }
.key i { display: inline-block; width: 12px; height: 10px; border-radius: 2px; margin-right: 6px; }
i.a { background: var(--a); } i.b { background: var(--b); } i.c { background: var(--c); }
i.d { background: var(--d); } i.e { background: var(--e); }
i.dashed { background-image: linear-gradient(90deg, transparent 35%, var(--paper) 35% 65%, transparent 65%); }
i.band { background: var(--band); outline: 1px solid var(--rule); }
.strip { display: grid; gap: 3px; margin: 10px 0 18px; align-items: center; font-size: 11px; color: var(--soft); }
.strip img { display: block; width: 100%; image-rendering: pixelated; border-radius: 2px; }
.strip b { font-weight: 600; color: var(--ink); padding-right: 8px; text-align: right; }
.strip span { text-align: center; }
h3 { font-size: 14px; margin: 20px 0 2px; }
details pre { overflow-x: auto; font-size: 12px; background: var(--card); padding: 12px; border-radius: 8px; }
"""
