"""A clock in the picture, for machines to read: ffmpeg draws the time of day as cells of black and white, a page reads them from its video.

Each bit of the time has two cells, one above the other, of which exactly one is white: no compression mixes that up, and a picture
without the clock is told from one with it. The time is this machine's, so drawing and reading must be on the same one.
"""
BITS = 16                          # of milliseconds: the clock begins anew each 65.5 s
CELL = 40                          # pixels
WIDTH, HEIGHT = BITS * CELL, 2 * CELL
FRESH_MS = 1 << BITS


def filters(rate):
    """ffmpeg's filters that let pictures through in real time and draw into each, at the top left, when that was. `rate`: per second."""
    drawn = ["realtime", "settb=1/1000", "setpts=RTCTIME/1000", f"drawbox=x=0:y=0:w={WIDTH}:h={HEIGHT}:color=black:t=fill"]
    for bit in range(BITS):
        is_set = f"mod(floor((t*1000+0.5)/{1 << bit}),2)"
        for y, shown in ((0, is_set), (CELL, f"1-{is_set}")):
            drawn.append(f"drawbox=x={bit * CELL}:y={y}:w={CELL}:h={CELL}:color=white:t=fill:enable='{shown}'")
    return ",".join([*drawn, f"setpts=N/{rate}/TB"])


# Looks at the page's video each `interval_ms` and keeps rows of [milliseconds since it began, age of the picture in milliseconds or null when no
# clock was read, currentTime in seconds, playbackRate, 'waiting' events so far]; glass.take() gives those since the last time.
READER = f"""(interval_ms => {{
    const video = document.querySelector('video'), canvas = document.createElement('canvas');
    canvas.width = {WIDTH}; canvas.height = {HEIGHT};
    const context = canvas.getContext('2d', {{willReadFrequently: true}}), began = performance.now();
    let rows = [], waits = 0;
    video.addEventListener('waiting', () => waits++);
    const age = () => {{
        const now = Date.now();
        context.drawImage(video, 0, 0, {WIDTH}, {HEIGHT}, 0, 0, {WIDTH}, {HEIGHT});
        const {{data}} = context.getImageData(0, 0, {WIDTH}, {HEIGHT});
        const green = (x, y) => data[4 * (y * {WIDTH} + x) + 1];
        let clock = 0;
        for (let bit = 0; bit < {BITS}; bit++) {{
            const x = (bit + 0.5) * {CELL}, upper = green(x, {CELL // 2}), lower = green(x, {CELL + CELL // 2});
            if (Math.abs(upper - lower) < 100) return null;
            if (upper > lower) clock += 2 ** bit;
        }}
        return (now - clock) % {FRESH_MS};
    }};
    setInterval(() => rows.push([performance.now() - began, age(), video.currentTime, video.playbackRate, waits]), interval_ms);
    window.glass = {{take: () => rows.splice(0)}};
}})"""
