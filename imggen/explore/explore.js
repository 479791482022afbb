'use strict';
const byId = (id) => document.getElementById(id);
const token = new URLSearchParams(location.search).get('token');
const main = document.querySelector('main');
const about = main ? JSON.parse(main.dataset.about) : {};

// Asks the server; a sentence of its own says what was wrong.
async function ask(path, body) {
  const response = await fetch(path, { method: 'POST', body, headers: { 'x-imggen-token': token } });
  if (response.ok) return response;
  const text = await response.text();
  let sentence = text.slice(0, 300);
  try { sentence = JSON.parse(text).error; } catch { /* It is the sentence itself. */ }
  throw new Error(sentence);
}

const pictures = async (path, body) => (await (await ask(path, body)).json()).pictures;
const asJson = (values) => JSON.stringify(values);

// Runs a task, and says on the page why it failed.
async function trying(task) {
  byId('panel')?.classList.add('busy');
  try {
    await task();
    byId('trouble').hidden = true;
  } catch (error) {
    byId('trouble').textContent = error instanceof TypeError ? 'The server does not answer: is its command still running?' : error.message;
    byId('trouble').hidden = false;
  }
  byId('panel')?.classList.remove('busy');
}

// Makes one call at a time; of those that come meanwhile, only the last is made.
function latest(task) {
  let running = false;
  let next = null;
  return async (...given) => {
    next = given;
    if (running) return;
    running = true;
    while (next) {
      const now = next;
      next = null;
      await trying(() => task(...now));
    }
    running = false;
  };
}

const image = (picture) => Object.assign(new Image(), { src: picture.src, alt: picture.about });

// The panel shows one picture large, with what it was made from beside it.
let shown = null;
function show(picture, given = null) {
  shown = picture;
  byId('panel').hidden = false;
  byId('large').replaceChildren(...[given, picture].filter(Boolean).map(image));
  byId('about').textContent = picture.about;
  byId('command').textContent = picture.command;
  byId('save').href = picture.src;
  if (byId('keep')) byId('keep').hidden = !picture.recipe;
}

function tile(picture, click) {
  const button = document.createElement('button');
  button.type = 'button';
  button.className = 'picture';
  button.title = picture.about;
  button.append(image(picture));
  button.addEventListener('click', () => click(picture, button));
  return button;
}

// Samples of a seed.
const kept = [];
const numberOf = (id) => (byId(id)?.value ? Number(byId(id).value) : null);
function wanted() {
  const truncation = numberOf('truncation');
  const guidance = numberOf('guidance');
  const values = {
    seed: Math.min(Math.max(0, Math.floor(numberOf('seed') ?? 0)), 2147483647),
    label: numberOf('label'),
    truncation: truncation === 3 ? null : truncation,
    guidance: guidance === about.guidance ? null : guidance,
  };
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== null));
}

const isKept = (picture) => kept.some((one) => one.src === picture.src);
const draw = latest(async () => {
  const made = await pictures('/samples', asJson({ count: 24, recipes: [wanted()] }));
  byId('wall').replaceChildren(...made.map((picture) => {
    const button = tile(picture, (chosen) => { show(chosen); if (about.latents) toggle(chosen); });
    if (about.latents) button.setAttribute('aria-pressed', isKept(picture));
    return button;
  }));
  if (!shown) show(made[0]);
});

// Kept pictures are the ends of a line or the corners of a square.
const place = { x: 0.5, y: 0.5 };
function toggle(picture) {
  const index = kept.findIndex((one) => one.src === picture.src);
  if (index >= 0) kept.splice(index, 1);
  else kept.push(picture);
  byId('kept').replaceChildren(...kept.map((one) => {
    const button = tile(one, toggle);
    button.title = `${one.about}; a click drops it`;
    return button;
  }));
  for (const button of byId('wall').children) {
    button.setAttribute('aria-pressed', kept.some((one) => one.src === button.firstChild.src));
  }
  const corners = kept.slice(-4);
  const pad = byId('pad');
  pad.hidden = corners.length < 2;
  pad.classList.toggle('line', corners.length === 2);
  for (const old of pad.querySelectorAll('img')) old.remove();
  pad.append(...corners.map((one, corner) => {
    const mark = image(one);
    mark.style[corner % 2 ? 'right' : 'left'] = '.5rem';
    mark.style[corner < 2 ? 'top' : 'bottom'] = '.5rem';
    if (corners.length === 3 && corner === 2) mark.style.left = 'calc(50% - 2.25rem)';
    return mark;
  }));
  mark();
}

function mark() {
  byId('point').style.left = `${100 * place.x}%`;
  byId('point').style.top = byId('pad').classList.contains('line') ? '50%' : `${100 * place.y}%`;
  byId('pad').setAttribute('aria-valuenow', Math.round(100 * place.x));
}

const times = [];
const blend = latest(async () => {
  const corners = kept.slice(-4);
  if (corners.length < 2) return;
  const at = corners.length === 2 ? [place.x] : [place.x, place.y];
  const [made] = await pictures('/between', asJson({ recipes: corners.map((one) => one.recipe), at }));
  show(made);
  times.push(performance.now());
  if (times.length > 20) times.shift();
  const seconds = (times[times.length - 1] - times[0]) / 1000;
  byId('speed').textContent = times.length > 9 && seconds < 4 ? `${Math.round((times.length - 1) / seconds)} pictures per second` : '';
});

if (about.kind === 'samples') {
  byId('controls').addEventListener('submit', (event) => event.preventDefault());
  byId('controls').addEventListener('input', () => {
    if (byId('truncation')) byId('truncation-shown').textContent = byId('truncation').value === '3' ? 'none' : byId('truncation').value;
    if (byId('guidance')) byId('guidance-shown').textContent = byId('guidance').value;
    draw();
  });
  byId('another').addEventListener('click', () => {
    byId('seed').value = Math.floor(Math.random() * 2147483647);
    draw();
  });
  draw();
}

if (about.latents && about.kind === 'samples') {
  const pad = byId('pad');
  byId('keep').addEventListener('click', () => { if (shown && !isKept(shown)) toggle(shown); });
  const move = (event) => {
    const box = pad.getBoundingClientRect();
    place.x = Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
    place.y = Math.min(1, Math.max(0, (event.clientY - box.top) / box.height));
    mark();
    blend();
  };
  pad.addEventListener('pointerdown', (event) => { pad.setPointerCapture(event.pointerId); move(event); });
  pad.addEventListener('pointermove', (event) => { if (event.buttons) move(event); });
  pad.addEventListener('keydown', (event) => {
    const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (!step) return;
    event.preventDefault();
    place.x = Math.min(1, Math.max(0, place.x + step[0] / 20));
    place.y = Math.min(1, Math.max(0, place.y + step[1] / 20));
    mark();
    blend();
  });
}

// A dropped or chosen picture.
const send = latest(async (file, name, filtered = false) => {
  const query = new URLSearchParams({ name, filtered });
  if (numberOf('label') !== null) query.set('label', numberOf('label'));
  const [given, made] = await pictures(`/${about.kind === 'samples' ? 'find' : 'translate'}?${query}`, file);
  show(made, given);
});
const drop = byId('drop');
if (drop) {
  drop.querySelector('input').addEventListener('change', (event) => {
    const [file] = event.target.files;
    if (file) send(file, file.name);
    event.target.value = '';
  });
  drop.addEventListener('dragover', (event) => { event.preventDefault(); drop.classList.add('over'); });
  drop.addEventListener('dragleave', () => drop.classList.remove('over'));
  drop.addEventListener('drop', (event) => {
    event.preventDefault();
    drop.classList.remove('over');
    const [file] = event.dataTransfer.files;
    if (file) send(file, file.name);
  });
}

// A drawing, translated after each stroke.
const canvas = byId('canvas');
if (canvas) {
  const context = canvas.getContext('2d');
  const clear = () => {
    context.fillStyle = byId('dark').checked ? '#000' : '#fff';
    context.fillRect(0, 0, canvas.width, canvas.height);
  };
  const point = (event) => {
    const box = canvas.getBoundingClientRect();
    return [(event.clientX - box.left) * canvas.width / box.width, (event.clientY - box.top) * canvas.height / box.height];
  };
  const translate = () => canvas.toBlob((file) => send(file, 'picture.png', byId('filtered')?.checked ?? false));
  canvas.addEventListener('pointerdown', (event) => {
    canvas.setPointerCapture(event.pointerId);
    context.beginPath();
    context.moveTo(...point(event));
  });
  canvas.addEventListener('pointermove', (event) => {
    if (!event.buttons) return;
    Object.assign(context, { lineWidth: byId('pen').value, lineCap: 'round', lineJoin: 'round', strokeStyle: byId('color').value });
    context.lineTo(...point(event));
    context.stroke();
    translate();
  });
  byId('dark').addEventListener('change', () => { byId('color').value = byId('dark').checked ? '#ffffff' : '#000000'; clear(); });
  byId('clear').addEventListener('click', clear);
  byId('pen').value = Math.max(1, Math.round(canvas.width / 60));
  clear();
}

// The images that a search holds, each in its cell.
if (about.kind === 'held') {
  trying(async () => {
    const made = await pictures('/held', '');
    const cells = [];
    for (const picture of made) cells[picture.place] = tile(picture, (chosen) => show(chosen));
    byId('wall').replaceChildren(...Array.from(cells, (cell) => cell ?? Object.assign(document.createElement('div'), { className: 'empty' })));
    byId('hint').textContent = `${made.length} pictures.`;
    if (made.length) show(made[0]);
  });
}

// How the training stands. The next question waits ten times as long as the answer took.
async function watch() {
  const began = performance.now();
  await trying(async () => {
    const text = await (await ask('/watch', '')).text();
    if (text === watch.last) return;
    watch.last = text;
    byId('standing').innerHTML = text;
  });
  setTimeout(watch, Math.max(2000, 10 * (performance.now() - began)));
}
byId('standing').addEventListener('click', (event) => {
  const button = event.target.closest('.stop');
  if (!button || !window.confirm(`Stop ${button.dataset.run}? It saves its state; the same command continues it.`)) return;
  button.disabled = true;
  trying(() => ask('/stop', asJson({ run: button.dataset.run })));
});
watch();
