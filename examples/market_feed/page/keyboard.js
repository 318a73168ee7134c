// Keys of the whole screen. Those typed into the filter stay in it, but for the ones that leave it.

const FILTER = document.getElementById('filter');
const HELP = document.getElementById('help');

/** `actions`: step(by), edge(last), filter(text), selectFirst(), toggleMode(), interval(n), zoom(factor), beSlow(). */
export function keyboard(actions) {
  FILTER.addEventListener('input', () => actions.filter(FILTER.value));
  document.getElementById('help-open').addEventListener('click', () => HELP.showModal());
  HELP.addEventListener('click', (event) => {
    if (event.target === HELP) HELP.close(); // the backdrop
  });

  const keys = {
    ArrowUp: () => actions.step(-1),
    ArrowDown: () => actions.step(1),
    k: () => actions.step(-1),
    j: () => actions.step(1),
    Home: () => actions.edge(false),
    End: () => actions.edge(true),
    '/': () => { FILTER.focus(); FILTER.select(); },
    Escape: clearFilter,
    c: actions.toggleMode,
    '+': () => actions.zoom(1.25),
    '=': () => actions.zoom(1.25),
    '-': () => actions.zoom(0.8),
    s: actions.beSlow,
    t: () => window.toggleTheme(),
    '?': () => HELP.showModal(),
  };
  for (let n = 0; n < 5; n += 1) keys[String(n + 1)] = () => actions.interval(n);

  function clearFilter() {
    FILTER.value = '';
    actions.filter('');
    FILTER.blur();
  }

  addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || HELP.open) return;
    if (event.target === FILTER) {
      if (event.key === 'Enter') {
        actions.selectFirst();
        FILTER.blur();
      } else if (event.key === 'Escape') {
        clearFilter();
      } else if (event.key === 'ArrowDown' || event.key === 'ArrowUp') {
        keys[event.key]();
      } else {
        return;
      }
      event.preventDefault();
      return;
    }
    if (event.target instanceof HTMLSelectElement) return;
    const action = keys[event.key];
    if (!action) return;
    event.preventDefault();
    action();
  });
}
