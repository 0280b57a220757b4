"use strict";
// Draws the machine of the page from the JSON that the file carries. Text goes in as text nodes only, never as HTML.
// Drawing again, once the page has other content, ends what the drawing before listened to.
let drawing = new AbortController();
async function ringscope(again = false) {
  document.documentElement.dataset.ready = "false";
  drawing.abort();
  drawing = new AbortController();
  const { signal } = drawing;
  const listen = (what, act, options = {}) => addEventListener(what, act, { ...options, signal });
  const OPEN_UP_TO = 200;  // queues; with more, processes start folded
  const BATCH = 256;       // rows, or processes, that are made at a time
  const WIRED_UP_TO = 64;  // queues; with more, only the one followed or pointed at has its wires drawn
  const SVG = "http://www.w3.org/2000/svg";
  const LEVELS = ["LOW", "MEDIUM", "HIGH"];
  const $ = (id) => document.getElementById(id);

  const packed = Uint8Array.from(atob($("data").textContent), (char) => char.charCodeAt(0));
  const json = await new Response(new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"))).text();
  if (signal.aborted) return;
  const whole = JSON.parse(json), shown = whole.explained ?? whole;
  // Verbs that show no queues have other things under the same names.
  const data = shown.schema.startsWith("ringscope.explain/") ? shown : { devices: [], processes: [], streams: [], time: shown.time ?? [] };

  // The same characters that the words of the page spell out.
  const UNSEEN = /[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]/g;
  const PAIR = /[\ud800-\udbff][\udc00-\udfff]/g;
  function visible(text) {
    const kept = [];
    const spelled = String(text).replace(PAIR, (pair) => { kept.push(pair); return "\ue000"; })
      .replace(UNSEEN, (char) => "\\u" + char.charCodeAt(0).toString(16).padStart(4, "0"));
    return spelled.replace(/\ue000/g, (char) => kept.length ? kept.shift() : char);
  }

  function make(name, attributes = {}, ...children) {
    const node = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
    for (const child of children.flat()) {
      if (child !== null && child !== undefined) node.append(child instanceof Node ? child : visible(child));
    }
    return node;
  }
  function draw(name, attributes, ...children) {
    const node = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
    node.append(...children);
    return node;
  }
  const hex = (number) => number === null ? "?" : "0x" + number.toString(16);
  const count = (number, noun) => `${number} ${noun}${number === 1 ? "" : noun.endsWith("ss") ? "es" : "s"}`;
  function size(bytes) {
    if (bytes === null) return "?";
    for (const [unit, factor] of [["GiB", 2 ** 30], ["MiB", 2 ** 20], ["KiB", 2 ** 10]]) {
      if (bytes >= factor && bytes % factor === 0) return `${bytes / factor} ${unit}`;
    }
    return `${bytes} B`;
  }
  function duration(ns) {
    for (const [unit, factor] of [["s", 1e9], ["ms", 1e6], ["µs", 1e3]]) {
      if (ns >= factor) return `${Number((ns / factor).toPrecision(4))} ${unit}`;
    }
    return `${ns} ns`;
  }

  // --- what belongs together -------------------------------------------------------------------------------------

  const queues = [];                // by id
  data.processes.forEach((process, place) => {
    for (const queue of process.queues) queues[queue.id] = { ...queue, process, place, streams: [] };
  });
  const seen = {};
  for (const stream of data.streams) {
    const place = seen[stream.recording] = (seen[stream.recording] || 0) + 1;
    if (stream.queue_id !== null) queues[stream.queue_id].streams.push({ ...stream, place });
  }
  const slotKey = (gpu, xcc, pipe, queue) => `${gpu}/${xcc}/${pipe}.${queue}`;
  const holders = new Map();        // slot -> queues; two in one slot would be news
  for (const queue of queues) {
    for (const hqd of queue.hqds) {
      const key = slotKey(queue.gpu_id, hqd.xcc, hqd.pipe, hqd.queue);
      holders.set(key, [...(holders.get(key) || []), queue]);
    }
  }
  const level = (queue) => LEVELS[queue.pipe_priority] ?? "";
  const priority = (queue) => queue.queue_priority === null ? "none" : `${queue.queue_priority} → ${level(queue) || "?"}`;
  const title = (queue) => `${queue.name} of process ${queue.process.pid}`;
  const mark = (queue) => queue.name.startsWith("HIP #") ? queue.name.slice(5) : queue.name[0];
  const slotName = (hqd) => `pipe ${hqd.pipe} queue ${hqd.queue}`;
  function slotText(queue) {
    const names = [...new Set(queue.hqds.map((hqd) => `${hqd.pipe}.${hqd.queue}`))];
    if (names.length > 1) return "several";
    if (names.length) return `p${queue.hqds[0].pipe} q${queue.hqds[0].queue}`;
    return (queue.type.startsWith("sdma") ? "SDMA" : "none");
  }
  const bare = (address) => address === null ? "?" : address.replace(/^0x/, "");

  // --- processes and their queues --------------------------------------------------------------------------------

  const rows = new Map();           // queue id -> its row, once made
  const blocks = [];                // per process, once made: what makes its rows, up to a queue's batch
  const stack = $("stack");

  const COLUMNS = ["streams", "queue", "ring", "doorbell", "mqd", "priority", "slot"];
  const HEADS = ["streams", "queue", "ring", "doorbell", "MQD, XCC 0", "priority", "slot"];

  function row(queue) {
    const hop = (...content) => make("span", { class: "hop" }, make("span", {}, ...content));
    const streams = queue.streams.map((stream) => "#" + stream.place);
    const shown = streams.length > 4 ? [...streams.slice(0, 3), "+" + (streams.length - 3)] : streams;
    const cells = [
      hop(shown.join(" ") || "–"),
      hop(make("a", { href: "#q" + queue.id }, queue.name)),
      hop(bare(queue.ring_base)),
      hop(hex(queue.doorbell_index)),
      hop(bare(queue.mqds[0]?.address ?? null)),
      hop(priority(queue)),
      hop(slotText(queue)),
    ];
    const line = make("tr", { "data-q": queue.id });
    cells.forEach((cell, at) => {
      const kind = at === 1 ? "th" : "td";
      line.append(make(kind, kind === "th" ? { scope: "row", class: "name" } : { "data-label": HEADS[at] }, cell));
    });
    if (!queue.hqds.length) line.lastChild.classList.add("none");
    line.firstChild.firstChild.classList.add(streams.length ? "some" : "soft");
    rows.set(queue.id, line);
    return line;
  }

  function strip(members) {
    const wide = 64, held = [], free = [];
    members.forEach((queue, at) => {
      const x = at % wide * 9, y = Math.floor(at / wide) * 9;
      (queue.hqds.length ? held : free).push(queue.hqds.length ? `M${x} ${y}h7v7h-7z` : `M${x + .5} ${y + .5}h6v6h-6z`);
    });
    const height = Math.ceil(members.length / wide) * 9, width = Math.min(members.length, wide) * 9;
    return draw("svg", { class: "strip", width, height, viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true" },
      draw("path", { d: held.join("") }), draw("path", { class: "free", d: free.join("") }));
  }

  function block(process, place) {
    const members = process.queues.map((queue) => queues[queue.id]);
    const streams = members.reduce((sum, queue) => sum + queue.streams.length, 0);
    const mapped = members.filter((queue) => queue.live).length;
    const facts = [count(members.length, "queue"), `${mapped} in slots`];
    if (streams) facts.unshift(count(streams, "stream"));
    const gpus = new Set(members.map((queue) => queue.gpu_id));
    if (data.devices.length > 1 && gpus.size === 1) facts.push("gpu " + [...gpus][0].toString(16));
    const table = make("table", { class: "queues" },
      make("colgroup", {}, COLUMNS.map((name) => make("col", { class: "c-" + name }))),
      make("thead", {}, make("tr", {}, HEADS.map((head) => make("th", { scope: "col" }, head)))));
    const node = make("details", { class: "process" },
      make("summary", {}, make("strong", {}, `Process ${process.pid}`), process.name ? ` ${process.name}` : "", " ",
        make("span", { class: "n" }, facts.join(" · ")), members.length > 12 ? strip(members) : null));
    let made = null;
    blocks[place] = (queue) => {
      if (!made) {
        node.append(table);
        made = batches(members, row, "queues", () => make("tbody"), (button) => make("tr", {}, make("td", { colspan: HEADS.length }, button)), table);
      }
      if (queue) made(members.indexOf(queue));
    };
    node.addEventListener("toggle", () => { if (node.open) blocks[place](null); wire(); });
    if (queues.length <= OPEN_UP_TO) { node.open = true; blocks[place](null); }
    return node;
  }

  // Items in batches, each made when it is wanted; until then a button stands for it. Returns what makes an item's batch.
  function batches(items, makeItem, noun, home, gap, parent) {
    const fills = [];
    for (let from = 0; from < items.length; from += BATCH) {
      const to = Math.min(from + BATCH, items.length), place = home();
      const button = make("button", { type: "button" }, `Show ${noun} ${from + 1} to ${to}`);
      fills.push(() => { if (place.contains(button)) place.replaceChildren(...items.slice(from, to).map((item, at) => makeItem(item, from + at))); });
      button.addEventListener("click", () => { fills[from / BATCH](); paint(); });
      place.append(gap(button));
      parent.append(place);
    }
    const need = (at) => fills[Math.floor(at / BATCH)]?.();
    need(0);
    return need;
  }
  let needProcess = null;

  // --- slots -----------------------------------------------------------------------------------------------------

  const cells = new Map();          // slot -> td

  function grid(device, xcc) {
    const places = device.slots.map((name) => name.split(".").map(Number));
    const pipes = [...new Set(places.map(([pipe]) => pipe))].sort((a, b) => a - b);
    const levels = [...new Set(places.map(([, queue]) => queue))].sort((a, b) => a - b);
    const real = new Set(device.slots);
    const foreign = new Map(device.unclaimed.filter((hqd) => hqd.xcc === xcc).map((hqd) => [`${hqd.pipe}.${hqd.queue}`, hqd]));
    const body = pipes.map((pipe) => make("tr", {}, make("th", { scope: "row" }, "p" + pipe), levels.map((queue) => {
      if (!real.has(`${pipe}.${queue}`)) return make("td", { class: "none" });
      const key = slotKey(device.gpu_id, xcc, pipe, queue), held = holders.get(key) || [], other = foreign.get(`${pipe}.${queue}`);
      const where = `XCC ${xcc} pipe ${pipe} queue ${queue}: `;
      const cell = make("td", { "data-slot": key });
      if (held.length) {
        cell.className = `held p${held[0].pipe_priority ?? 1}`;
        const names = held.map(title).join(" and ");
        cell.append(make("a", { href: "#q" + held[0].id, "aria-label": where + names, tabindex: "-1" }, held.length > 1 ? "!" : mark(held[0])));
      } else if (other) {
        cell.className = "unclaimed";
        cell.title = where + `ring ${other.ring_base}, ${size(other.ring_bytes)}, doorbell ${hex(other.doorbell_index)}, VMID ${other.vmid}; whose it is was not captured (${visible(other.at)})`;
        cell.append(make("span", { class: "busy" }, "?"));
      } else {
        cell.append(make("span", { class: "unseen" }, "free"));
      }
      cells.set(key, cell);
      return cell;
    })));
    return make("table", { class: "xcc" }, make("caption", {}, `XCC ${xcc}`),
      make("thead", {}, make("tr", {}, make("td", { hidden: "" }), make("th", {}, ""), levels.map((queue) => make("th", { scope: "col" }, "q" + queue)))),
      make("tbody", {}, body));
  }

  function slots() {
    const wanted = data.devices.filter((device) => device.slots.length);
    const busy = wanted.filter((device) => device.hqds_active);
    const shown = busy.length ? busy : wanted.slice(0, 1);
    for (const device of shown) {
      const free = `${device.hqds_active_per_xcc} of ${device.hqd_slots_per_xcc} busy`;
      const xccs = Array.from({ length: device.xccs }, (_, xcc) => grid(device, xcc));
      $("slots").append(make("p", { class: "gpu" }, `Slots of gpu ${device.gpu_id.toString(16)}: ${free}${device.xccs > 1 ? " on each XCC" : ""}`),
        make("div", { class: "xccs" }, xccs));
    }
    if (!shown.length) return;
    const first = $("slots").querySelector("a");
    if (first) first.tabIndex = 0;
    const key = (name, text) => make("li", {}, make("i", { class: name }), text);
    $("slots").append(make("ul", { class: "legend", "aria-label": "Shades" }, key("free", "free"), key("p0", "LOW"), key("p1", "MEDIUM"),
      key("p2", "HIGH"), shown.some((device) => device.unclaimed.length) ? key("unclaimed", "not captured whose") : ""));
  }

  // --- one queue, whole ------------------------------------------------------------------------------------------

  let followed = null, near = null;

  function cite(at) { return make("span", {}, " ", make("cite", {}, at)); }
  function detail(queue, pinned) {
    const panel = $("detail");
    panel.replaceChildren();
    panel.classList.toggle("pinned", pinned);
    if (!queue) return;
    const item = (name, ...value) => make("li", {}, make("span", {}, name), make("span", { class: "v" }, ...value));
    const lines = (list) => list.flatMap((parts, at) => at ? [make("br"), ...parts] : parts);
    const close = make("button", { type: "button", "aria-label": "Let go of this queue" }, "×");
    close.addEventListener("click", release);
    panel.append(make("h3", {}, make("span", {}, title(queue)), pinned ? close : null));
    const device = data.devices.find((one) => one.gpu_id === queue.gpu_id);
    panel.append(make("ol", {},
      item("process", `${queue.process.pid} ${queue.process.name}`, cite(queue.process.at)),
      item("streams", ...(queue.streams.length ? lines(queue.streams.map((stream) => [`#${stream.place} ${stream.stream}`, cite(stream.at)])) : ["none seen"])),
      item("queue", `${queue.qid === null ? "" : `qid ${queue.qid}, `}${size(queue.ring_bytes)} at ${queue.ring_base ?? "?"}, gpu ${queue.gpu_id.toString(16)}${device && device.node !== null ? `, node ${device.node}` : ""}`, cite(queue.at)),
      item("state", queue.state || "–"),
      item("doorbell", `${hex(queue.doorbell_index)}${queue.doorbell_id === null ? "" : `, id ${queue.doorbell_id} of the process`}`),
      item("MQD", ...lines(queue.mqds.map((mqd) => [`XCC ${mqd.xcc} ${mqd.address ?? ""}`, cite(mqd.at)]))),
      item("priority", priority(queue)),
      item("slot", ...(queue.hqds.length ? lines(queue.hqds.map((hqd) => [`XCC ${hqd.xcc} ${slotName(hqd)}`, cite(hqd.at)])) : [slotText(queue)]),
        ...(queue.vmid === null ? [] : [make("br"), `VMID ${queue.vmid}`])),
    ));
    const registers = Object.entries(queue.registers);
    if (registers.length) {
      const where = queue.live ? `live in the slot on XCC ${queue.hqds[0].xcc}` : "saved in the MQD of XCC 0";
      panel.append(make("table", { class: "registers" }, make("caption", {}, `Registers that do not read 0, ${where}`),
        make("tbody", {}, registers.map(([name, value]) => make("tr", {}, make("th", { scope: "row" }, name), make("td", {}, value))))));
    }
    if (queue.saved_differs.length) {
      panel.append(make("table", { class: "registers" }, make("caption", {}, "Where the saved MQD reads otherwise"),
        make("tbody", {}, queue.saved_differs.map((diff) => make("tr", {}, make("th", { scope: "row" }, `XCC ${diff.xcc} ${diff.register}`),
          make("td", {}, make("span", { class: "was" }, hex(diff.saved)), ` → ${hex(diff.live)}`))))));
    }
  }

  function cellsOf(queue) {
    return queue.hqds.map((hqd) => cells.get(slotKey(queue.gpu_id, hqd.xcc, hqd.pipe, hqd.queue))).filter(Boolean);
  }
  function paint() {
    for (const [name, queue] of [["near", near], ["hot", followed]]) {
      for (const node of document.querySelectorAll(`.machine .${name}`)) node.classList.remove(name);
      if (!queue) continue;
      rows.get(queue.id)?.classList.add(name);
      for (const cell of cellsOf(queue)) cell.classList.add(name);
    }
    for (const link of stack.querySelectorAll("a[aria-current]")) link.removeAttribute("aria-current");
    if (followed) rows.get(followed.id)?.querySelector("a").setAttribute("aria-current", "true");
    wire();
  }

  let waiting = false;
  function wire() {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      const board = $("wires"), home = board.getBoundingClientRect(), side = document.querySelector(".side").getBoundingClientRect();
      board.replaceChildren();
      if (!home.width) return;
      const drawn = queues.length <= WIRED_UP_TO ? queues : [...new Set([near, followed])].filter(Boolean);
      for (const queue of [...drawn].sort((a, b) => (a === followed) - (b === followed))) {
        const line = rows.get(queue.id);
        if (!line || !line.offsetParent) continue;
        const from = line.getBoundingClientRect(), hot = queue === followed || queue === near && !followed;
        const targets = hot ? cellsOf(queue) : cellsOf(queue).slice(0, 1);
        for (const cell of targets) {
          const to = cell.getBoundingClientRect();
          if (to.bottom < side.top || to.top > side.bottom) continue;
          const x1 = from.right - home.left, y1 = from.top + from.height / 2 - home.top;
          const x2 = to.left - home.left, y2 = to.top + to.height / 2 - home.top, bend = Math.max(28, (x2 - x1) * .55);
          board.append(draw("path", { d: `M${x1} ${y1}C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}`, ...(hot ? { class: "hot" } : {}) }));
        }
      }
    });
  }

  function point(queue) {
    if (queue === near) return;
    near = queue;
    if (!followed) detail(queue, false);
    paint();
  }
  function follow(queue, scroll) {
    followed = queue;
    $("machine").classList.toggle("following", Boolean(queue));
    if (queue) {
      needProcess(queue.place);
      blocks[queue.place](queue);
      rows.get(queue.id).closest("details").open = true;
      const places = queue.hqds.map((hqd) => `XCC ${hqd.xcc} ${slotName(hqd)}`).join(", ") || "no slot";
      $("status").textContent = `Following ${visible(title(queue))}: ${count(queue.streams.length, "stream")}, doorbell ${hex(queue.doorbell_index)}, ${places}`;
      if (scroll) rows.get(queue.id).scrollIntoView({ block: "center" });
    } else {
      $("status").textContent = "";
    }
    detail(queue ?? near, Boolean(queue));
    paint();
  }
  function release() {
    const last = followed;
    history.replaceState(null, "", location.pathname + location.search);
    follow(null);
    if (last) rows.get(last.id)?.querySelector("a").focus({ preventScroll: true });
  }
  function fromHash(scroll) {
    const match = /^#q(\d{1,6})$/.exec(location.hash);
    follow(match ? queues[Number(match[1])] ?? null : null, scroll);
  }
  function under(target) {
    const line = target.closest?.("tr[data-q]"), cell = target.closest?.("td[data-slot]");
    if (line) return queues[Number(line.dataset.q)];
    return cell ? (holders.get(cell.dataset.slot) || [null])[0] : null;
  }

  function find(text) {
    const wanted = text.trim().toLowerCase().replace(/^0x/, "");
    if (!wanted) { $("found").textContent = ""; return; }
    const hits = queues.filter((queue) => [queue.name.toLowerCase(), String(queue.process.pid), bare(queue.ring_base), hex(queue.doorbell_index).slice(2),
      bare(queue.mqds[0]?.address ?? null)].some((word) => word.startsWith(wanted)) || `hip #${wanted}` === queue.name.toLowerCase());
    $("found").textContent = hits.length ? count(hits.length, "queue") : "none";
    return hits[0];
  }

  // --- timelines -------------------------------------------------------------------------------------------------

  function lane(name, note, picture, said) {
    picture.setAttribute("role", "img");
    picture.setAttribute("aria-label", visible(`${name}: ${said ?? note}`));
    return make("div", { class: "lane" }, make("span", {}, `${name} `, make("span", { class: "soft" }, note)), picture);
  }
  function titled(node, text) {
    const title = draw("title", {});
    title.textContent = visible(text);
    node.append(title);
    return node;
  }
  function bars(spans, all, several, shade) {
    return draw("svg", {}, ...spans.map((span) => {
      const what = span.name === null ? `${span.count} ${several}` : span.count > 1 ? `${span.count} × ${span.name}` : span.name;
      const width = Math.max((span.end_ns - span.begin_ns) / all * 100, .15);
      const bar = draw("rect", { class: shade(span), x: Math.min(span.begin_ns / all * 100, 100 - width) + "%", width: width + "%", height: "100%" });
      return titled(bar, `${what}: ${duration(span.begin_ns)} to ${duration(span.end_ns)}`);
    }));
  }
  function area(found, all) {
    const steps = found.points.map(([ns, cus], at) => `${at ? "H" : "M0 1V"}${at ? ns / all * 1000 : 1 - cus / (found.most || 1)}${at ? `V${1 - cus / (found.most || 1)}` : ""}`);
    const picture = draw("svg", { viewBox: "0 0 1000 1", preserveAspectRatio: "none" }, draw("path", { class: "area", d: `${steps.join("")}H1000V1z` }));
    return titled(picture, `at most ${count(found.most, "CU")} busy`);
  }

  function timelines() {
    for (const home of document.querySelectorAll(".timeline")) {
      const found = data.time[Number(home.dataset.time)], all = found.shown_ns || 1;
      const owners = [];
      const shade = (span) => {        // of a slot: by its process, in the order of their coming
        const owner = span.name === null ? null : span.name.replace(/^.* of /, "");
        if (owner !== null && !owners.includes(owner)) owners.push(owner);
        return owner === null ? "mixed" : "p" + owners.indexOf(owner) % 3;
      };
      const groups = [
        [`CUs busy, looked at ${count(found.occupancy[0]?.points.length ?? 0, "time")}`, found.occupancy.map((xcc) => lane(xcc.name, `up to ${xcc.most}`, area(xcc, all), `at most ${count(xcc.most, "CU")} busy`)), 0],
        ["Slots: three shades for the processes in turn", found.slots.map((slot) => lane(slot.name, count(slot.runs, "stay"), bars(slot.spans, all, "stays", shade))), found.more_slots],
        ["Queues", found.lanes.map((one) => lane(one.name, count(one.runs, "run"), bars(one.spans, all, "runs", () => "p2"))), found.more_lanes],
      ].filter(([, lanes]) => lanes.length);
      for (const [title, lanes, more] of groups) {
        home.append(make("details", { class: "lanes", open: "" }, make("summary", {}, title), lanes, more ? make("p", { class: "soft" }, `${more} more not drawn`) : null));
      }
      home.append(make("div", { class: "axis" }, make("span", {}, "0"), make("span", {}, duration(found.shown_ns))));
    }
  }

  // --- go --------------------------------------------------------------------------------------------------------

  timelines();
  $("save").onclick = () => {
    const link = make("a", { href: URL.createObjectURL(new Blob([json], { type: "application/json" })), download: "ringscope.json" });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  };
  let opened = [];
  listen("beforeprint", () => {
    opened = [...document.querySelectorAll("details.answer:not([open])")];
    for (const one of opened) one.open = true;
  });
  listen("afterprint", () => { for (const one of opened) one.open = false; });

  const machine = $("machine");
  if (machine) {
    needProcess = batches(data.processes, block, "processes", () => make("div"), (button) => button, stack);
    slots();
    machine.classList.toggle("many", queues.length > OPEN_UP_TO);
    machine.hidden = false;
    machine.addEventListener("pointerover", (event) => { if (event.pointerType === "mouse") point(under(event.target)); });
    machine.addEventListener("pointerleave", () => point(null));
    machine.addEventListener("focusin", (event) => { const queue = under(event.target); if (queue) point(queue); });
    listen("hashchange", () => fromHash(true));
    listen("scroll", wire, { passive: true, capture: true });
    listen("resize", wire);
    $("find").addEventListener("input", (event) => find(event.target.value));
    $("find").addEventListener("keydown", (event) => {
      if (event.key !== "Enter") return;
      const hit = find(event.target.value);
      if (hit) location.hash = "q" + hit.id;
    });
    listen("keydown", (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      const typing = event.target.tagName === "INPUT";
      if (event.key === "Escape" && followed) { release(); return; }
      if (event.key === "/" && !typing) { event.preventDefault(); $("find").focus(); return; }
      if (typing) return;
      const link = event.target.closest?.("#stack a, #slots a");
      if (!link) return;
      const row = link.closest("#stack") !== null;
      const steps = row ? { ArrowDown: 1, ArrowUp: -1 } : { ArrowRight: 1, ArrowLeft: -1, ArrowDown: 1, ArrowUp: -1 };
      const all = [...(row ? stack : $("slots")).querySelectorAll("a")].filter((one) => one.offsetParent);
      let at = all.indexOf(link);
      if (event.key in steps) at += steps[event.key];
      else if (event.key === "Home") at = 0;
      else if (event.key === "End") at = all.length - 1;
      else return;
      event.preventDefault();
      const next = all[Math.min(Math.max(at, 0), all.length - 1)];
      if (!row) { link.tabIndex = -1; next.tabIndex = 0; }
      next.focus();
    });
    fromHash(!again);
    wire();
  }
  document.documentElement.dataset.ready = "true";
}
ringscope();
