// Live updates: the page is complete without them.
(() => {
  const MOST = 200; // entries of the log that stay on the page
  const SOON = 700; // milliseconds from an event to the refresh of what it changed
  const PAUSE = 3000; // milliseconds between two refreshes while one event follows the other
  let refreshed = -PAUSE;
  let last = 0; // number of the newest event that was shown
  let timer = null;

  // htmx makes a new stream where the browser gave the old one up: it goes on after the last event.
  htmx.createEventSource = (url) => {
    const place = new URL(url, location.href);
    if (last) place.searchParams.set("after", String(last));
    return new EventSource(place);
  };

  const say = (state) => {
    for (const element of document.querySelectorAll("[data-live]")) {
      element.hidden = false;
      if (element.dataset.live !== state) {
        element.dataset.live = state;
        element.textContent = { on: "live", off: "connecting again", wait: "connecting" }[state];
      }
    }
  };
  document.addEventListener("htmx:sseOpen", () => {
    say("on");
    refresh();
  });
  document.addEventListener("htmx:sseError", () => say("off"));

  document.addEventListener("htmx:sseBeforeMessage", (event) => {
    const number = Number(event.detail.lastEventId || 0);
    if (number && number <= last) {
      event.preventDefault();
      return;
    }
    if (number) last = number;
  });
  document.addEventListener("htmx:sseMessage", (event) => {
    const list = event.target;
    while (list.children.length > MOST) list.lastElementChild.remove();
    refresh();
  });

  // Several events in a short time cause one refresh, and the last of them is not missed.
  function refresh() {
    if (timer !== null) return;
    const wait = Math.max(SOON, refreshed + PAUSE - performance.now());
    timer = setTimeout(() => {
      timer = null;
      refreshed = performance.now();
      for (const element of document.querySelectorAll("[data-refresh]")) htmx.trigger(element, "refresh");
    }, wait);
  }

  // A refreshed part must not take the focus away from the button in it that has it.
  let focused = "";
  document.addEventListener("htmx:beforeSwap", (event) => {
    const active = document.activeElement;
    focused = active && active.id && event.detail.target.contains(active) ? active.id : "";
  });
  document.addEventListener("htmx:afterSwap", () => {
    if (focused) document.getElementById(focused)?.focus();
    focused = "";
  });
})();
