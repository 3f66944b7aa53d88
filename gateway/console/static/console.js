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
    if (typing(event.target)) {
      /* from the search down into what it found */
      if (event.key === "ArrowDown" && event.target.hasAttribute("data-find") && walk(1)) { event.preventDefault(); }
      return;
    }
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

  /* What refreshes itself must not take the place one stands at, and must not look alive when it has stopped.
     By the id of a part: from when it is, as the server says; whether the last try failed; whether it waits for the focus. */
  var ANSWER_MS_MAX = 15000;
  var parts = {};

  function refreshing() {
    return Array.prototype.slice.call(document.querySelectorAll("[id][hx-trigger^='every']"));
  }

  function known(part) {
    if (!part || !part.id || !/^every/.test(part.getAttribute("hx-trigger") || "")) { return null; }
    if (!parts[part.id]) {
      parts[part.id] = { at: document.getElementById("stale").getAttribute("data-at"), failed: false, held: false };
    }
    return parts[part.id];
  }

  function tell() {
    var line = document.getElementById("stale"), failed = [], held = [];
    refreshing().forEach(function (part) {
      var one = known(part);
      part.classList.toggle("stopped", one.failed);
      if (one.failed) { failed.push(one.at); } else if (one.held) { held.push(one.at); }
    });
    var text = failed.length ? "页面已停止更新，停在 " + failed.sort()[0] + "；网络或控制台恢复后会自行继续。"
      : held.length ? "正停在这里操作，这一部分暂不更新，停在 " + held.sort()[0] + "；移开后即更新。" : "";
    if (line.textContent !== text) { line.textContent = text; }
    line.classList.toggle("held", !failed.length);
    line.hidden = !text;
  }

  document.addEventListener("htmx:configRequest", function (event) {
    if (known(event.detail.target)) { event.detail.timeout = ANSWER_MS_MAX; }
  });

  document.addEventListener("htmx:beforeSwap", function (event) {
    var target = event.detail.target, one = known(target);
    var quiet = event.detail.requestConfig && event.detail.requestConfig.triggeringEvent === undefined;
    var held = quiet && target.contains(document.activeElement);
    if (held) { event.detail.shouldSwap = false; }
    if (one) { one.held = held; }
  });

  document.addEventListener("htmx:afterRequest", function (event) {
    var one = known(event.detail.target), answer = event.detail.xhr;
    if (!one || answer.status === 401) { return; }  /* 401 leads to the sign-in by itself */
    one.failed = !event.detail.successful;
    if (!one.failed && !one.held) { one.at = answer.getResponseHeader("Console-Time") || one.at; }
    tell();
  });

  document.addEventListener("focusout", function () {
    window.setTimeout(function () {
      refreshing().forEach(function (part) {
        var one = known(part);
        if (one.held && !part.contains(document.activeElement)) { one.held = false; htmx.trigger(part, "again"); tell(); }
      });
    }, 0);
  });
}());
