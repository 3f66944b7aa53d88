/* Keys and small comforts; every page works without it. "/" goes to the search, arrows walk through a table, Enter opens. */
(function () {
  "use strict";

  function typing(target) {
    return /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName) || target.isContentEditable;
  }

  function links() {
    return Array.prototype.slice.call(document.querySelectorAll("table[data-keys] tbody tr td:first-child a"));
  }

  function walk(step) {
    var found = links();
    if (!found.length) { return false; }
    var at = found.indexOf(document.activeElement);
    var next = at < 0 ? (step > 0 ? 0 : found.length - 1) : Math.min(Math.max(at + step, 0), found.length - 1);
    found[next].focus();
    return true;
  }

  document.addEventListener("keydown", function (event) {
    if (event.ctrlKey || event.metaKey || event.altKey) { return; }
    if (event.key === "Escape" && typing(event.target)) { event.target.blur(); return; }
    if (typing(event.target)) { return; }
    if (event.key === "/") {
      var box = document.querySelector("[data-find]") || document.getElementById("find");
      if (box) { box.focus(); box.select(); event.preventDefault(); }
    } else if (event.key === "ArrowDown" || event.key === "j") {
      if (walk(1)) { event.preventDefault(); }
    } else if (event.key === "ArrowUp" || event.key === "k") {
      if (walk(-1)) { event.preventDefault(); }
    }
  });

  document.addEventListener("focusin", function (event) {
    Array.prototype.forEach.call(document.querySelectorAll("tr.at"), function (row) { row.classList.remove("at"); });
    var row = event.target.closest ? event.target.closest("table[data-keys] tbody tr") : null;
    if (row) { row.classList.add("at"); }
  });

  /* a list that narrows while one types */
  document.addEventListener("input", function (event) {
    var wanted = event.target.getAttribute && event.target.getAttribute("data-filter");
    if (!wanted) { return; }
    var text = event.target.value.trim().toLowerCase();
    Array.prototype.forEach.call(document.querySelectorAll(wanted), function (line) {
      line.hidden = text !== "" && line.textContent.toLowerCase().indexOf(text) < 0;
    });
  });

  /* one box for all of a form */
  document.addEventListener("change", function (event) {
    var wanted = event.target.getAttribute && event.target.getAttribute("data-all");
    if (!wanted) { return; }
    Array.prototype.forEach.call(document.querySelectorAll(wanted + " input[type=checkbox][name]"), function (box) {
      box.checked = event.target.checked;
    });
  });

  /* a form is sent once */
  document.addEventListener("submit", function (event) {
    var form = event.target;
    if (form.method !== "post" || form.hasAttribute("hx-post")) { return; }
    if (form.getAttribute("data-sent")) { event.preventDefault(); return; }
    form.setAttribute("data-sent", "1");
    window.setTimeout(function () { form.removeAttribute("data-sent"); }, 5000);
  });

  /* what refreshes itself must not take the place one stands at */
  document.addEventListener("htmx:beforeSwap", function (event) {
    var target = event.detail.target;
    var quiet = event.detail.requestConfig && event.detail.requestConfig.triggeringEvent === undefined;
    if (quiet && target.contains(document.activeElement)) { event.detail.shouldSwap = false; }
  });
}());
