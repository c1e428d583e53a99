// The live page: shows what the daemon tells, holds it while paused, and says how much is not shown; and what all
// pages have in common.
"use strict";

const PAGE = 48; // cards; the oldest leave when more come

const lost = document.getElementById("lost");

// A browser has few connections to one host: a page that nobody looks at gives its own back.
function follow(address, tell) {
  let source = null;

  function open() {
    if (source || document.hidden) return;
    source = new EventSource(address());
    source.onopen = () => { lost.hidden = true; };
    source.onerror = () => {
      lost.hidden = false;
      if (source?.readyState === EventSource.CLOSED) setTimeout(() => location.reload(), 5000); // to sign in, maybe
    };
    source.onmessage = (message) => tell(JSON.parse(message.data));
  }

  function close() {
    source?.close();
    source = null;
  }

  document.addEventListener("visibilitychange", () => (document.hidden ? close() : open()));
  addEventListener("pagehide", close);
  addEventListener("pageshow", open); // the way back may lead to the page as it was left
  open();
}

function live(list) {
  const pause = document.getElementById("pause");
  const fewer = document.getElementById("fewer");
  let waiting = 0;
  let behind = false;

  const paused = () => pause.getAttribute("aria-pressed") === "true";

  function label() {
    pause.textContent = !paused() ? pause.dataset.pause
      : waiting ? pause.dataset.new.replace("{count}", waiting) : pause.dataset.resume;
  }

  async function again() {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
    if (!answer.ok) return;
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("events");
    if (fresh) list.replaceChildren(...fresh.children);
    document.getElementById("none")?.remove();
  }

  function show(news) {
    const cards = document.createElement("template");
    cards.innerHTML = news.cards ?? "";
    for (const card of cards.content.querySelectorAll(".card")) {
      if (document.getElementById(card.id)) card.remove();
      else card.classList.add("fresh");
    }
    list.prepend(cards.content);
    while (list.children.length > PAGE) list.lastElementChild.remove();
    if (list.children.length) document.getElementById("none")?.remove();
    fewer.hidden = !news.left_out;
    fewer.textContent = fewer.dataset.fewer.replace("{shown}", news.new - (news.left_out ?? 0))
      .replace("{count}", news.new ?? 0);
  }

  function mark(marks) {
    for (const [id, drawn] of Object.entries(marks)) {
      const place = document.getElementById(`e-${id}`)?.querySelector(".marks");
      if (place) place.innerHTML = drawn;
    }
  }

  pause.addEventListener("click", async () => {
    pause.setAttribute("aria-pressed", String(!paused()));
    if (!paused() && (waiting || behind)) await again();
    waiting = 0;
    behind = false;
    label();
  });

  const newest = () => list.firstElementChild?.id.replace(/^e-/, "") ?? "";
  follow(() => `${list.dataset.stream}&newest=${encodeURIComponent(newest())}`, (news) => {
    list.setAttribute("aria-busy", "false");
    mark(news.marks ?? {});
    if (!paused()) {
      if (news.again) again();
      else if (news.new) show(news);
      return;
    }
    behind ||= Boolean(news.again);
    waiting = news.again && news.new ? news.new : waiting + (news.new ?? 0);
    label();
  });
}

function firstContact(place) {
  follow(() => place.dataset.stream, (news) => {
    if (news.stored) location.reload();
    else place.innerHTML = news.contact ?? "";
  });
}

function copy(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const field = document.createElement("textarea"); // over plain HTTP a browser has no other way
  field.value = text;
  document.body.append(field);
  field.select();
  document.execCommand("copy");
  field.remove();
}

function copying(event) {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  copy(button.dataset.copy);
  button.textContent = button.dataset.copied;
}

// What is not the page that was asked for, such as a proxy's word that the daemon is away, leaves all as it is.
function checkSwap({ detail }) {
  const wanted = detail.requestConfig.elt.getAttribute("hx-select").slice(1);
  detail.shouldSwap = detail.serverResponse.includes(`id="${wanted}"`);
  lost.hidden = detail.shouldSwap;
}

document.addEventListener("click", copying);
document.addEventListener("htmx:beforeSwap", checkSwap);
document.addEventListener("htmx:sendError", () => { lost.hidden = false; });
document.querySelector("nav [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
const log = document.getElementById("log");
if (log) log.scrollTop = log.scrollHeight; // what came last stands last
const events = document.querySelector("#events[data-stream]");
if (events) live(events);
const contact = document.getElementById("contact");
if (contact) firstContact(contact);
