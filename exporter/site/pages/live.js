"use strict";
(() => {
  // The page regularly requests itself and applies the differences node by node, so that the
  // reader's selection, open sections, input, and focus stay.
  const body = document.body, everySeconds = Number(body.dataset.refresh);
  const bar = document.getElementById("live"), text = document.getElementById("live-text");
  const button = document.getElementById("pause");
  let ahead = 0, paused = false, timer = 0, asking = null;
  document.documentElement.classList.add("scripted");
  bar.hidden = false;

  const span = (seconds) => {
    const whole = Math.max(0, Math.floor(seconds)), minutes = Math.floor(whole / 60);
    const hours = Math.floor(minutes / 60), days = Math.floor(hours / 24);
    if (days) return `${days} d ${hours % 24} h`;
    if (hours) return `${hours} h ${minutes % 60} min`;
    return minutes ? `${minutes} min` : `${whole} s`;
  };
  const tick = () => {
    const now = Date.now() / 1000 + ahead;
    for (const time of document.querySelectorAll("time[data-at]")) {
      const age = now - Number(time.dataset.at);
      const past = age < 1 || "due" in time.dataset ? "now" : `${span(age)} ago`;
      const said = "lasting" in time.dataset ? `for ${span(age)}` : age > -1 ? past : `in ${span(-age)}`;
      if (time.textContent !== said) time.textContent = said;
    }
  };
  const align = (page) => { ahead = Number(page.dataset.now) - Date.now() / 1000; };

  const morph = (here, there) => {
    if (here.isEqualNode(there)) return;
    if (here.nodeName !== there.nodeName || (here.id || "") !== (there.id || "")) { here.replaceWith(there); return; }
    if (here.nodeType !== Node.ELEMENT_NODE) { here.nodeValue = there.nodeValue; return; }
    if (here.matches("input, select, textarea")) { if (here !== document.activeElement) { here.replaceWith(there); } return; }
    if (here.nodeName === "DETAILS") there.open = here.open;
    for (const { name } of [...here.attributes]) if (!there.hasAttribute(name)) here.removeAttribute(name);
    for (const { name, value } of [...there.attributes]) if (here.getAttribute(name) !== value) here.setAttribute(name, value);
    const known = new Map([...here.children].filter((child) => child.id).map((child) => [child.id, child]));
    let at = here.firstChild;
    for (const wanted of [...there.childNodes]) {
      const match = wanted.id ? known.get(wanted.id) : at && !at.id ? at : null;
      if (!match) { here.insertBefore(wanted, at); continue; }
      if (match === at) at = at.nextSibling; else here.insertBefore(match, at);
      morph(match, wanted);
    }
    while (at) { const next = at.nextSibling; at.remove(); at = next; }
  };
  const show = (page) => {
    document.title = page.title;
    align(page.body);
    morph(document.querySelector("link[rel=icon]"), page.querySelector("link[rel=icon]"));
    for (const part of ["header nav", "main", "footer"]) morph(document.querySelector(part), page.querySelector(part));
    tick();
  };
  const say = (said, kind) => { text.textContent = said; bar.className = `live ${kind}`; };

  const refresh = async (url = location.href) => {
    clearTimeout(timer);
    asking?.abort();
    const mine = asking = new AbortController(), began = performance.now();
    try {
      const answer = await fetch(url, { signal: mine.signal, headers: { Accept: "text/html" } });
      if (!answer.ok) throw new Error(`HTTP ${answer.status}`);
      // Keep the current style sheet: the new one has the nonce of another response.
      const html = (await answer.text()).replace(/<style[^]*?<\/style>/, "");
      show(new DOMParser().parseFromString(html, "text/html"));
      say(paused ? "Paused" : "Live", paused ? "paused" : "");
    } catch (error) {
      if (error.name === "AbortError") return;
      say("Can't reach the exporter, retrying", "stale");
    }
    // Refresh a page less often if the exporter takes long to render it.
    const pause = Math.max(everySeconds * 1000, 20 * (performance.now() - began));
    if (!paused) timer = setTimeout(() => refresh(), pause);
  };
  const go = (url, push) => {
    history[push ? "pushState" : "replaceState"](null, "", url);
    return refresh(url);
  };

  button.addEventListener("click", () => {
    paused = !paused;
    button.setAttribute("aria-pressed", String(paused));
    say(paused ? "Paused" : "Live", paused ? "paused" : "");
    if (paused) { clearTimeout(timer); asking?.abort(); } else refresh();
  });
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-live]");
    if (!link || event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    go(link.href, true);
  });
  let typing = 0;
  const search = () => {
    const form = document.getElementById("tools");
    const given = [...new FormData(form)].filter(([, value]) => value);
    const query = new URLSearchParams(given).toString();
    go(query ? `/?${query}` : "/", false);
  };
  document.addEventListener("input", (event) => {
    if (!event.target.closest("#tools")) return;
    clearTimeout(typing);
    typing = setTimeout(search, event.target.type === "search" ? 200 : 0);
  });
  document.addEventListener("submit", async (event) => {
    if (event.target.id === "tools") { event.preventDefault(); search(); return; }
    if (event.target.id !== "probe") return;
    event.preventDefault();
    const pressed = event.target.querySelector("button"), told = event.target.querySelector("output");
    pressed.disabled = true;
    told.textContent = "Probing …";
    const answer = await fetch(event.target.action, { method: "POST", redirect: "manual" }).catch(() => null);
    const failed = !answer || (answer.type !== "opaqueredirect" && !answer.ok);
    await refresh();
    document.querySelector("#probe button").disabled = false;
    document.querySelector("#probe output").textContent = failed ? (answer ? await answer.text() : "Can't reach the exporter.") : "Probed.";
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "/" || event.target.matches("input, select, textarea")) return;
    const field = document.getElementById("q");
    if (field) { event.preventDefault(); field.focus(); field.select(); }
  });
  document.addEventListener("visibilitychange", () => { if (!document.hidden && !paused) refresh(); else clearTimeout(timer); });
  addEventListener("popstate", () => refresh());
  align(body);
  tick();
  setInterval(tick, 1000);
  timer = setTimeout(() => refresh(), everySeconds * 1000);
})();
