"use strict";
// Asks the server anew at every change of a control, and puts the answer in the page's place.
(() => {
  const $ = (id) => document.getElementById(id);
  const TYPED_MS = 250;  // a number is still being typed
  let asking = new AbortController(), typed = 0, here = "";

  const address = () => "/?" + new URLSearchParams(new FormData($("controls")));
  function keep(push) {
    const whole = $("controls").dataset.address;
    if (whole) history[push ? "pushState" : "replaceState"](null, "", whole + location.hash);
    else if (push) history.pushState(null, "", "/");
    here = location.pathname + location.search;
  }

  // A control that stays keeps the focus, and what is being typed in it.
  function refill(form, typing) {
    const mine = $("controls"), names = (one) => [...one.elements].map((field) => field.name).join();
    if (names(mine) !== names(form)) { mine.replaceWith(form); return; }
    for (const field of form.elements) {
      if (!field.name) continue;
      const own = mine.elements.namedItem(field.name), { value } = field;
      if (own.tagName === "SELECT") own.replaceChildren(...field.children);
      if (!typing || own !== document.activeElement || own.tagName === "SELECT") own.value = value;
    }
    mine.dataset.address = form.dataset.address;
    mine.querySelector(".links").replaceChildren(...form.querySelector(".links").childNodes);
    $("said").textContent = form.querySelector("#said").textContent;
  }
  function show(page, push) {
    const opened = [...document.querySelectorAll("details.answer[open]")].map((one) => one.id);
    document.title = page.title;
    document.querySelector("body > header").replaceWith(page.querySelector("body > header"));
    document.querySelector("main").replaceWith(page.querySelector("main"));
    $("data").textContent = page.getElementById("data").textContent;
    refill(page.getElementById("controls"), push);
    for (const id of opened) $(id)?.setAttribute("open", "");
    keep(push);
    ringscope(true);
  }

  async function ask(url, push) {
    clearTimeout(typed);
    asking.abort();
    asking = new AbortController();
    const { signal } = asking;
    document.documentElement.dataset.asking = "true";
    try {
      const answer = await fetch(url, { signal }), text = await answer.text();
      $("controls").classList.toggle("wrong", !answer.ok);
      if (answer.ok) show(new DOMParser().parseFromString(text, "text/html"), push);
      else $("said").textContent = text.trim();
    } catch (error) {
      if (signal.aborted) return;
      $("controls").classList.add("wrong");
      $("said").textContent = "The server does not answer: is ringscope serve still running?";
    }
    document.documentElement.dataset.asking = "false";
  }

  // The address of a text: base64url of its deflate stream, as the server has it.
  async function packed(file) {
    const deflated = file.stream().pipeThrough(new CompressionStream("deflate"));
    const bytes = new Uint8Array(await new Response(deflated).arrayBuffer());
    return btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
  }

  document.addEventListener("input", (event) => {
    if (!event.target.form || event.target.type !== "number") return;
    clearTimeout(typed);
    if ($("controls").checkValidity()) typed = setTimeout(() => ask(address(), true), TYPED_MS);
  });
  document.addEventListener("change", async (event) => {
    if (event.target.id === "open") {
      const [file] = event.target.files;
      if (file) ask("/?s=" + await packed(file), true);
    } else if (event.target.form && event.target.tagName === "SELECT") ask(address(), true);
  });
  document.addEventListener("submit", (event) => {
    event.preventDefault();
    ask(address(), true);
  });
  addEventListener("popstate", () => {  // following a queue changes only what stands behind the #
    if (location.pathname + location.search !== here) ask(location.pathname + location.search, false);
  });
  keep(false);
})();
