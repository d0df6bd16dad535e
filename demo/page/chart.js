/** A colour of the style sheet, as it is in light or dark. */
export function colour(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

/** The canvas at the screen's resolution, cleared, in units of CSS pixels; undefined where it is not shown. */
export function paper(canvas) {
  const { clientWidth: width, clientHeight: height } = canvas;
  if (width === 0 || height === 0) return undefined;
  const scale = devicePixelRatio;
  const [across, down] = [Math.round(width * scale), Math.round(height * scale)];
  if (canvas.width !== across || canvas.height !== down) Object.assign(canvas, { width: across, height: down });
  const context = canvas.getContext("2d");
  context.setTransform(scale, 0, 0, scale, 0, 0);
  context.clearRect(0, 0, width, height);
  return { context, width, height };
}

/** A line over its area, the newest value at the right edge; `max` is the least that the height stands for. */
export function drawLine(canvas, values, { slots, max, tone = "accent" }) {
  const sheet = paper(canvas);
  if (!sheet || values.length === 0) return;
  const { context, width, height } = sheet;
  const top = Math.max(max, ...values) * 1.1;
  const step = width / (slots - 1);
  const x = (index) => width - (values.length - 1 - index) * step;
  const y = (value) => height - 1.5 - (value / top) * (height - 4);
  context.beginPath();
  values.forEach((value, index) => {
    context.lineTo(x(index), y(value));
  });
  context.lineWidth = 1.75;
  context.lineJoin = "round";
  context.strokeStyle = colour(tone);
  context.stroke();
  context.lineTo(width, height);
  context.lineTo(x(0), height);
  context.globalAlpha = 0.14;
  context.fillStyle = colour(tone);
  context.fill();
  context.globalAlpha = 1;
}
