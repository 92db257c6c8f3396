"""The colours of the desk. A picture is drawn as numbers of colours and turned into RGB once, at the end."""

import numpy as np

_TABLE = (
    # desktop, window, text, line, title of a window that is not in front, button
    *((92, 138, 168), (238, 238, 232), (24, 24, 28), (120, 122, 128), (168, 172, 178), (208, 210, 206)),  # light
    *((26, 32, 44), (52, 56, 66), (226, 228, 232), (104, 110, 122), (74, 80, 92), (78, 84, 98)),  # dark
    *((38, 96, 192), (176, 58, 72), (40, 128, 84), (146, 84, 176)),  # accents: blue, red, green, violet
    *((255, 255, 255), (0, 0, 0)),  # pointer, titles, canvas
    *((214, 48, 40), (44, 160, 60), (40, 84, 220), (240, 196, 40)),  # paint
)
RGB = np.array(_TABLE, np.uint8)
DESKTOP, WINDOW, TEXT, LINE, IDLE, BUTTON = range(6)  # plus DARK in the dark
DARK = 6
ACCENT = 12  # the first of four
WHITE, BLACK, RED, GREEN, BLUE, YELLOW = range(16, 22)
PAINTS = (BLACK, RED, GREEN, BLUE, YELLOW, WHITE)
