// Keeps a small copy of each picture that OHIF shows, with the time in ms: see pictures.py.
(() => {
  const SIDE = 64;
  const [canvas, draw] = [document.createElement('canvas'), CanvasRenderingContext2D.prototype.drawImage];
  canvas.width = canvas.height = SIDE;
  const copy = canvas.getContext('2d', { willReadFrequently: true });
  window.pictures = [];
  // Cornerstone draws off screen, and copies the result to the viewport's canvas.
  CanvasRenderingContext2D.prototype.drawImage = function (...values) {
    draw.apply(this, values);
    if (!this.canvas.classList?.contains('cornerstone-canvas')) return;
    const time = performance.now();
    draw.call(copy, this.canvas, 0, 0, SIDE, SIDE);
    const pixels = copy.getImageData(0, 0, SIDE, SIDE).data;
    window.pictures.push({ time, grey: [...pixels].filter((_, index) => index % 4 === 0) });
  };
})();
