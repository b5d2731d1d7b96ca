const EVERY_SECONDS = 30;

/**
 * Tells on stderr that something long is still going: every half minute its name, the seconds so far and the last line of
 * progress it gave. `line` takes such lines, `stop` ends it and returns the seconds.
 */
export function startTicker(name) {
  const start = performance.now();
  const seconds = () => (performance.now() - start) / 1000;
  let last = '';
  const timer = setInterval(() => console.error(`  ${name}: ${seconds().toFixed(0)} s ${last}`), EVERY_SECONDS * 1000);
  return {
    line(text) {
      if (/^(step|round) \d/.test(text)) last = `(${text.trim()})`;
    },
    stop() {
      clearInterval(timer);
      return seconds();
    },
  };
}
