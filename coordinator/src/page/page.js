// What the page does more where scripts run: commands are copied, and changes arrive by themselves. Nothing needs it.
"use strict";

for (const button of document.querySelectorAll("[data-copy]")) {
  if (!navigator.clipboard) break; // Only where the page came over TLS, or from this machine.
  button.hidden = false;
  button.addEventListener("click", async () => {
    const command = document.getElementById(button.dataset.copy);
    try {
      await navigator.clipboard.writeText(command.textContent);
      button.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(command);
      button.textContent = "Selected";
    }
    setTimeout(() => { button.textContent = "Copy"; }, 2000);
  });
}

const live = document.getElementById("live");
if (live) listen(live);

function listen(live) {
  const rows = document.querySelector("[data-changes]");
  const said = live.querySelector("[data-live]");
  // Rows that stay: as many as the view had room for.
  const room = Math.max(rows ? rows.children.length : 0, 10);
  let newest = Number(live.dataset.after);
  let arrived = 0;
  let source;
  live.hidden = false;

  const show = (row) => {
    const template = document.createElement("template");
    template.innerHTML = row; // Escaped by the server, as the rows of the view are.
    const element = template.content.firstElementChild;
    element.classList.add("new");
    rows.prepend(element);
    while (rows.children.length > room) rows.lastElementChild.remove();
    rows.closest("table").hidden = false;
    rows.closest("section").querySelector("[data-empty]")?.remove();
  };

  const begin = () => {
    source = new EventSource(`/events?after=${newest}`);
    source.addEventListener("open", () => { live.classList.add("on"); said.textContent = arrived ? `live, ${arrived} new` : "live"; });
    source.addEventListener("change", (event) => {
      const number = Number(event.lastEventId);
      if (number <= newest) return;
      newest = number;
      arrived += 1;
      if (rows) show(event.data);
      said.textContent = `live, ${arrived} new`;
    });
    source.addEventListener("counts", (event) => {
      const counts = JSON.parse(event.data);
      const grouped = (count) => String(count).replace(/\B(?=(\d{3})+$)/g, "\u202f");
      for (const element of document.querySelectorAll("[data-count]")) element.textContent = grouped(counts[element.dataset.count]);
      const total = document.querySelector("[data-total]");
      if (total) total.textContent = grouped(counts.total);
    });
    source.addEventListener("error", () => {
      live.classList.remove("on");
      said.textContent = "not live";
      // A lost connection comes back by itself, but with the address that it began with: begin anew after what was shown.
      source.close();
      setTimeout(begin, 5000);
    });
  };
  begin();
  addEventListener("pagehide", () => source.close());
  addEventListener("pageshow", (event) => { if (event.persisted) begin(); });
}
