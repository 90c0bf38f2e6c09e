// Returns what is wrong with the page as it is shown: names, ids, landmarks, and contrast below 4.5 to 1.
(() => {
  const found = [], name = e => e.getAttribute('aria-label') || (e.getAttribute('aria-labelledby') || '').split(' ').filter(Boolean)
    .map(id => document.getElementById(id)?.textContent).join(' ') || e.labels?.[0]?.textContent || e.textContent;
  const shown = e => e.getClientRects().length > 0 && getComputedStyle(e).visibility !== 'hidden';
  for (const e of document.querySelectorAll('button, a, input, select, svg[role=img], [role=tabpanel], section, table'))
    if (shown(e) && !name(e).trim()) found.push('no name: ' + e.outerHTML.slice(0, 80));
  const ids = [...document.querySelectorAll('[id]')].map(e => e.id);
  if (new Set(ids).size !== ids.length) found.push('an id twice');
  for (const e of document.querySelectorAll('[aria-controls]'))
    if (!document.getElementById(e.getAttribute('aria-controls'))) found.push('controls nothing: ' + e.id);
  if (document.querySelectorAll('h1').length !== 1 || !document.documentElement.lang || !document.title) found.push('head');
  for (const e of document.querySelectorAll('svg:not([role=img])')) if (e.getAttribute('aria-hidden') !== 'true') found.push('svg');
  const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
  const rgba = colour => { canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1); return canvas.getImageData(0, 0, 1, 1).data; };
  const light = ([r, g, b]) => [r, g, b].map(v => v / 255).map(v => v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0);
  const behind = e => { for (; e; e = e.parentElement) { const c = rgba(getComputedStyle(e).backgroundColor); if (c[3] === 255) return c; } return [255, 255, 255]; };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const e = node.parentElement;
    if (!node.textContent.trim() || !shown(e) || e.closest('.hidden-text, .skip-link, script, style')) continue;
    const style = getComputedStyle(e), one = light(rgba(e.closest('svg') ? style.fill : style.color)), two = light(behind(e));
    const ratio = (Math.max(one, two) + .05) / (Math.min(one, two) + .05);
    if (ratio < 4.5) found.push('contrast ' + ratio.toFixed(2) + ': ' + node.textContent.slice(0, 40));
  }
  return found;
})()
