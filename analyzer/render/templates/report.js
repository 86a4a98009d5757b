(() => {
  "use strict";
  const root = document.documentElement;
  const all = (selector, within) => Array.from((within || document).querySelectorAll(selector));
  root.classList.add("scripted");

  const themes = ["auto", "light", "dark"];
  const themeButton = document.getElementById("theme");
  let theme = "auto";
  try { theme = localStorage.getItem("twindex-theme") || "auto"; } catch { /* a file:// page may have no storage */ }
  const showTheme = () => {
    if (theme === "auto") { root.removeAttribute("data-theme"); } else { root.dataset.theme = theme; }
    themeButton.textContent = "Theme: " + theme;
  };
  themeButton.addEventListener("click", () => {
    theme = themes[(themes.indexOf(theme) + 1) % themes.length];
    try { localStorage.setItem("twindex-theme", theme); } catch { /* not remembered, then */ }
    showTheme();
  });
  if (!root.dataset.theme) { showTheme(); }

  const select = (element) => {
    const range = document.createRange();
    range.selectNodeContents(element);
    getSelection().removeAllRanges();
    getSelection().addRange(range);
  };
  all("button[data-copy]").forEach((button) => {
    const said = button.textContent;
    button.addEventListener("click", async () => {
      const source = document.getElementById(button.dataset.copy);
      try {
        await navigator.clipboard.writeText(source.textContent);
        button.textContent = "Copied";
      } catch {
        select(source);
        button.textContent = document.execCommand("copy") ? "Copied" : "Selected";
      }
      setTimeout(() => { button.textContent = said; }, 1600);
    });
  });

  const plansButton = document.getElementById("plans-toggle");
  if (plansButton) {
    plansButton.addEventListener("click", () => {
      const plans = all("details.plan");
      const open = plans.some((plan) => !plan.open);
      plans.forEach((plan) => { plan.open = open; });
      plansButton.textContent = open ? "Close all plans" : "Open all plans";
    });
  }

  const table = document.getElementById("statements-table");
  if (table) {
    const body = table.tBodies[0];
    const value = (row, column) => {
      const text = row.cells[column].dataset.value;
      const number = Number(text);
      return text === "" ? null : Number.isNaN(number) ? text : number;
    };
    const sortBy = (header) => {
      const column = header.cellIndex;
      const ascending = header.getAttribute("aria-sort") === "descending";
      all("th[aria-sort]", table).forEach((other) => other.setAttribute("aria-sort", "none"));
      header.setAttribute("aria-sort", ascending ? "ascending" : "descending");
      const sign = ascending ? 1 : -1;
      const rows = Array.from(body.rows).map((row) => [value(row, column), row]);
      rows.sort(([a], [b]) => (a === b ? 0 : a === null ? 1 : b === null ? -1 : (a < b ? -1 : 1) * sign));
      body.append(...rows.map(([, row]) => row));
    };
    all("th[aria-sort]", table).forEach((header) => {
      header.querySelector("button").addEventListener("click", () => sortBy(header));
    });

    const filter = document.getElementById("filter");
    const shown = document.getElementById("shown");
    filter.addEventListener("input", () => {
      const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
      let visible = 0;
      Array.from(body.rows).forEach((row) => {
        const text = row.textContent.toLowerCase();
        row.hidden = !words.every((word) => text.includes(word));
        visible += row.hidden ? 0 : 1;
      });
      shown.textContent = words.length ? visible + " of " + body.rows.length : "";
    });
    document.addEventListener("keydown", (event) => {
      const typing = /^(input|textarea|select)$/i.test(event.target.tagName);
      if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey) {
        event.preventDefault();
        filter.focus();
      } else if (event.key === "Escape" && event.target === filter) {
        filter.value = "";
        filter.dispatchEvent(new Event("input"));
      }
    });
  }

  let reopened = [];
  addEventListener("beforeprint", () => {
    reopened = all("details.plan:not([open])");
    reopened.forEach((plan) => { plan.open = true; });
  });
  addEventListener("afterprint", () => { reopened.forEach((plan) => { plan.open = false; }); });
})();
