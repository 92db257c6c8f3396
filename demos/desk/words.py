"""What people write into notes here: a few plain words. Any other letters may be typed as well."""

_TEXT = """
a about after again all and apple around at autumn back bag before bird blue boat book bread bring buy by cake call
car cat chair city cloud coat cold come cook corn cup dance day deep dog door down dream dry eat egg end every eye
fair far field find fire fish five flow fly for fox from garden give go gold good green hand hat have hello her
here hill home hope horse house i ice idea in ink into it its jar jazz job joke juice jump just keep key kind kite
know lake last late leaf learn left light lime lion list little long look loud low make map maybe meet milk mix
month moon more much music my name near new next nice night no not now ocean of oil old on one open or our out over
own page paint paper park pen pick piano pink plan play please quick quiet quiz rain read red rest ride river road
room run sail salt same say sea see send seven she shop short sing six sky sleep slow small snow so song soon soup
spring star stay stone sun swim table take talk tea tell ten that the then this three time to today tree two under
up use very view visit voice wait walk warm wash water way we week well west wheel when white wide wind window
winter with wood word work write yard year yellow yes you young zebra zero zoo
"""
WORDS = tuple(_TEXT.split())
