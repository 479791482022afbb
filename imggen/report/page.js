'use strict';
document.documentElement.classList.add('scripted');

const all = (selector, root = document) => [...root.querySelectorAll(selector)];
const byId = (id) => document.getElementById(id);
const whole = (value) => value.toLocaleString('en', { useGrouping: 'min2' });

// Tables: a click on a header sorts, a second click reverses the order.
// Cells without a value stay last either way.
for (const table of all('table.sortable')) {
  const heads = all('thead th', table);
  heads.forEach((head, column) => {
    head.firstElementChild.addEventListener('click', () => {
      const down = head.getAttribute('aria-sort') === 'ascending';
      for (const other of heads) other.setAttribute('aria-sort', 'none');
      head.setAttribute('aria-sort', down ? 'descending' : 'ascending');
      const sign = down ? -1 : 1;
      const value = (row) => row.cells[column].dataset.sort ?? '';
      const compare = (a, b) => {
        const [x, y] = [value(a), value(b)];
        if (x === '' || y === '') return (x === '') - (y === '');
        const difference = Number(x) - Number(y);
        if (!Number.isNaN(difference)) return sign * difference;
        return sign * x.localeCompare(y, undefined, { numeric: true });
      };
      table.tBodies[0].append(...[...table.tBodies[0].rows].sort(compare));
    });
  });
}

// Samples: one slider for all runs; each shows its last sheet up to that step.
const films = byId('films') ? JSON.parse(byId('films').textContent) : { steps: [], runs: {} };
const cards = all('.card[data-run]').map((card) => {
  const film = films.runs[card.dataset.run];
  const picture = card.querySelector('img');
  film.frames.push(picture.src);
  return { card, film, picture, label: card.querySelector('.step') };
});
const slider = byId('step');
const play = byId('play');
let timer = 0;

function show(position) {
  const step = films.steps[position];
  const words = whole(step);
  slider.value = position;
  slider.setAttribute('aria-valuetext', `step ${words}`);
  byId('step-shown').textContent = words;
  for (const { film, picture, label } of cards) {
    const frame = Math.max(0, film.steps.findLastIndex((own) => own <= step));
    if (picture.src !== film.frames[frame]) picture.src = film.frames[frame];
    label.textContent = `step ${whole(film.steps[frame])}`;
  }
}

function pause() {
  clearInterval(timer);
  timer = 0;
  play.textContent = 'Play';
  play.setAttribute('aria-pressed', 'false');
}

if (slider) {
  slider.addEventListener('input', () => { pause(); show(Number(slider.value)); });
  play.addEventListener('click', () => {
    if (timer) return pause();
    const last = films.steps.length - 1;
    if (Number(slider.value) === last) show(0);
    play.textContent = 'Pause';
    play.setAttribute('aria-pressed', 'true');
    timer = setInterval(() => {
      show(Number(slider.value) + 1);
      if (Number(slider.value) === last) pause();
    }, Math.min(500, Math.max(120, 6000 / films.steps.length)));
  });
}

// A click on a picture enlarges it by a whole number, with the real pictures beside it.
const large = byId('large');
for (const button of all('.enlarge')) {
  button.addEventListener('click', () => {
    const own = button.closest('.card');
    const chosen = [own];
    const real = document.querySelector('.card.real');
    if (real && real !== own) chosen.push(real);
    const pictures = chosen.map((card) => card.querySelector('img'));
    const widths = pictures.map((picture) => Number(picture.getAttribute('width')));
    const beside = (innerWidth - 100) / widths.reduce((a, b) => a + b);
    const below = (innerWidth - 80) / Math.max(...widths);
    const high = (innerHeight - 140) / Math.max(...pictures.map((picture) => Number(picture.getAttribute('height'))));
    // Attributes hold the size on the wall, a whole multiple of the picture's own.
    const unit = Number(getComputedStyle(own).getPropertyValue('--zoom'));
    const room = unit * (beside * unit < 1 ? below : Math.min(beside, high));
    const zoom = Math.max(1, Math.floor(room)) / unit;
    byId('large-title').textContent = own.querySelector('strong').textContent;
    byId('large-step').textContent = own.querySelector('.step').textContent;
    byId('large-pictures').replaceChildren(...pictures.map((picture, index) => {
      const copy = new Image();
      copy.src = picture.src;
      copy.alt = picture.alt;
      copy.width = widths[index] * zoom;
      return copy;
    }));
    large.showModal();
  });
}
byId('large-close')?.addEventListener('click', () => large.close());
large?.addEventListener('click', (event) => { if (event.target === large) large.close(); });

// Filter: every word has to occur in the data-find attribute of an element.
byId('filter')?.addEventListener('input', (event) => {
  const words = event.target.value.toLowerCase().split(/\s+/).filter(Boolean);
  let kept = 0;
  for (const more of all('.more')) more.open = words.length > 0;
  for (const element of all('[data-find]')) {
    const about = element.dataset.find.toLowerCase();
    const out = !words.every((word) => about.includes(word));
    element.classList.toggle('out', out);
    if (element.matches('details') && !out) kept += 1;
  }
  byId('filter-count').textContent = words.length ? `${kept} runs` : '';
});

// A link to a run opens it.
function reveal() {
  const target = location.hash && byId(decodeURIComponent(location.hash.slice(1)));
  if (target && target.matches('details')) {
    target.open = true;
    target.scrollIntoView();
  }
}
addEventListener('hashchange', reveal);
reveal();
addEventListener('beforeprint', () => {
  const folded = all('details');
  if (folded.length <= 12) for (const one of folded) one.open = true;
});

// A click in the legend picks a group; the others fade.
const picked = new Set();
for (const button of all('.legend button')) {
  button.addEventListener('click', () => {
    const { group } = button.dataset;
    if (!picked.delete(group)) picked.add(group);
    button.setAttribute('aria-pressed', String(picked.has(group)));
    byId('curves').classList.toggle('chosen', picked.size > 0);
    for (const curve of all('g[data-group]')) curve.classList.toggle('kept', picked.has(curve.dataset.group));
  });
}

// Curves: a box shows the values at the pointer, computed from the points of the drawing.
const readable = (value) => (Math.abs(value) >= 1e4 ? whole(Math.round(value)) : String(Number(value.toPrecision(4))));
for (const plot of all('svg.plot')) {
  const figure = plot.parentElement;
  const [xLow, xHigh] = plot.dataset.x.split(' ').map(Number);
  const [yLow, yHigh, log] = plot.dataset.y.split(' ').map(Number);
  const [left, top, width, height] = plot.dataset.area.split(' ').map(Number);
  const scale = (share) => (log ? yLow * (yHigh / yLow) ** share : yLow + share * (yHigh - yLow));
  let curves = null;
  const tip = document.createElement('div');
  tip.className = 'tip';
  tip.hidden = true;
  const hair = document.createElementNS('http://www.w3.org/2000/svg', 'line');
  hair.setAttribute('class', 'hair out');
  hair.setAttribute('y1', top);
  hair.setAttribute('y2', top + height);
  const leave = () => { tip.hidden = true; hair.classList.add('out'); };
  const move = (event) => {
    curves ??= all('.line', plot).map((holder) => {
      const path = holder.querySelector('path');
      const numbers = path.getAttribute('d').match(/-?[\d.]+/g).map(Number);
      const points = Array.from({ length: numbers.length / 2 }, (_, at) => [numbers[2 * at] - left, numbers[2 * at + 1] - top]);
      return { holder, path, points };
    });
    if (!tip.isConnected) { figure.append(tip); plot.append(hair); }
    const box = plot.getBoundingClientRect();
    const unit = plot.viewBox.baseVal.width / box.width;
    const x = (event.clientX - box.left) * unit - left;
    const y = (event.clientY - box.top) * unit - top;
    if (x < -4 || x > width + 4) return leave();
    const near = curves.map(({ holder, path, points }) => {
      const point = points.reduce((best, one) => (Math.abs(one[0] - x) < Math.abs(best[0] - x) ? one : best));
      return { holder, path, point };
    }).filter(({ holder }) => !picked.size || holder.classList.contains('kept'));
    if (!near.length) return leave();
    near.sort((a, b) => Math.abs(a.point[1] - y) - Math.abs(b.point[1] - y));
    const at = near[0].point[0];
    const shown = near.slice(0, 8).sort((a, b) => a.point[1] - b.point[1]);
    const step = xLow + (at / width) * (xHigh - xLow);
    tip.replaceChildren(`step ${whole(Math.round(step))}`, ...shown.map(({ holder, path, point }) => {
      const row = document.createElement('div');
      const swatch = document.createElement('i');
      swatch.style.background = getComputedStyle(path).stroke;
      const value = readable(scale(1 - point[1] / height));
      row.append(swatch, curves.length > 1 ? `${value}  ${holder.dataset.label}` : value);
      return row;
    }));
    tip.hidden = false;
    hair.classList.remove('out');
    hair.setAttribute('x1', left + at);
    hair.setAttribute('x2', left + at);
    const place = (left + at) / unit;
    // The box is above the curves, so that it hides none of them.
    tip.style.left = `${Math.max(0, Math.min(box.width - tip.offsetWidth, place - tip.offsetWidth / 2))}px`;
    tip.style.bottom = `${box.height}px`;
  };
  plot.addEventListener('pointermove', move);
  plot.addEventListener('pointerleave', leave);
}
