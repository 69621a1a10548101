"""Line plots as SVG: a logarithmic axis along the bottom, a linear one from nought up the side."""

import math
from html import escape

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 640, 360, 72, 36, 40, 56
# Told apart without colour as well.
STYLES = [("#1f5fa8", "", "circle"), ("#c0561f", "6 4", "square")]


def nice_step(top):
    """A step of 1, 2 or 5 times a power of ten that divides nought to `top` into four to ten."""
    power = 10 ** math.floor(math.log10(top / 4))
    return max(step * power for step in (1, 2, 5) if step * power <= top / 4)


def plot(title, along, up, series):
    """`series` has a name and points (x, y); `along` and `up` are the axes' names with their units."""
    points = [point for _, found in series for point in found]
    low = math.floor(math.log10(min(x for x, _ in points)))
    high = math.ceil(math.log10(max(x for x, _ in points)))
    high = max(high, low + 1)
    most = max(max(y for _, y in points), 1e-9) * 1.1
    step = nice_step(most)
    wide, tall = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM

    def at(x, y):
        return LEFT + (math.log10(x) - low) / (high - low) * wide, TOP + tall - y / most * tall

    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        f'<text x="{LEFT}" y="22" font-size="14">{escape(title)}</text>',
    ]
    for power in range(low, high + 1):
        x, bottom = at(10**power, 0)
        out.append(f'<path d="M{x:.1f} {TOP}V{bottom:.1f}" stroke="#ddd"/>')
        out.append(f'<text x="{x:.1f}" y="{bottom + 18:.1f}" text-anchor="middle">{10**power:,}</text>')
    for index in range(int(most / step) + 1):
        _, y = at(10**low, index * step)
        out.append(f'<path d="M{LEFT} {y:.1f}H{LEFT + wide}" stroke="{"#ddd" if index else "#333"}"/>')
        out.append(f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{index * step:,.10g}</text>')
    for index, (name, found) in enumerate(series):
        out += line(name, [at(*point) for point in found], index)
    middle = TOP + tall / 2
    out.append(f'<text x="{LEFT + wide / 2}" y="{HEIGHT - 14}" text-anchor="middle">{escape(along)}</text>')
    out.append(f'<text transform="translate(18 {middle}) rotate(-90)" text-anchor="middle">{escape(up)}</text>')
    return "\n".join([*out, "</svg>", ""])


def line(name, found, index):
    """A series and its entry in the key."""
    colour, dashes, mark = STYLES[index % len(STYLES)]
    path = "L".join(f"{x:.1f} {y:.1f}" for x, y in found)
    x, y = WIDTH - RIGHT - 110 * (len(STYLES) - index), 30
    stroke = f'stroke="{colour}" stroke-width="2" stroke-dasharray="{dashes}"' if dashes else f'stroke="{colour}" stroke-width="2"'
    out = [f'<path d="M{path}" fill="none" {stroke}/>', f'<path d="M{x} {y - 12}h24" {stroke}/>']
    out += [shape(mark, *point, colour) for point in [*found, (x + 12, y - 12)]]
    return [*out, f'<text x="{x + 30}" y="{y - 8}">{escape(name)}</text>']


def shape(mark, x, y, colour):
    if mark == "circle":
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{colour}"/>'
    return f'<rect x="{x - 4:.1f}" y="{y - 4:.1f}" width="8" height="8" fill="{colour}"/>'
