// Runs before the first paint, so that a remembered theme never flashes the other one.
// A classic script on purpose: modules are deferred.
'use strict';
(() => {
  const root = document.documentElement;
  const dark = matchMedia('(prefers-color-scheme: dark)');
  let chosen = null;
  try { chosen = localStorage.getItem('theme'); } catch { /* storage refused: follow the system */ }

  const apply = () => {
    root.dataset.theme = chosen ?? (dark.matches ? 'dark' : 'light');
    const bar = document.querySelector('meta[name=theme-color]');
    bar.content = root.dataset.theme === 'dark' ? '#0b0e13' : '#e9e7e1';
    dispatchEvent(new Event('themechange'));
  };

  window.toggleTheme = () => {
    chosen = root.dataset.theme === 'dark' ? 'light' : 'dark';
    try { localStorage.setItem('theme', chosen); } catch { /* lasts for this page only */ }
    apply();
  };
  dark.addEventListener('change', apply);
  apply();
})();
