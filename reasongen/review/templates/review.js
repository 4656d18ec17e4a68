// Keys, and who has judged meanwhile. Without it the page works by its buttons.
(function () {
  "use strict";
  var list = document.querySelector(".cards"), help = document.getElementById("help");
  var cards = list ? Array.from(list.children) : [], at = 0, sent = false;

  function go(to, quietly) {
    if (!cards.length) return;
    at = Math.max(0, Math.min(cards.length - 1, to));
    cards.forEach(function (card, n) { card.classList.toggle("here", n === at); });
    cards[at].focus({ preventScroll: true });
    if (!quietly) cards[at].scrollIntoView({ block: "nearest" });
  }
  function open(what, field) {
    var details = cards[at].querySelector("details." + what);
    details.open = true;
    details.querySelector(field).focus();
  }
  function judge(verb) {
    if (sent) return;
    sent = true; // a key that is held down decides once
    cards[at].querySelector(".judge ." + verb).click();
  }
  var keys = {
    j: function () { go(at + 1); },
    k: function () { go(at - 1); },
    a: function () { judge("accept"); },
    r: function () { judge("refuse"); },
    e: function () { open("edit", "textarea[name=edited]"); },
    l: function () { open("label", "select"); },
    "?": function () { help.showModal(); }
  };
  document.addEventListener("keydown", function (event) {
    var field = event.target.closest("input, textarea, select");
    if (field && event.key === "Enter" && (event.ctrlKey || event.metaKey)) { field.form.requestSubmit(); return; }
    if (field && event.key === "Escape") { field.closest("details").open = false; go(at); return; }
    if (field || help.open || event.repeat || event.ctrlKey || event.metaKey || event.altKey) return;
    if (keys[event.key] && (cards.length || event.key === "?")) { event.preventDefault(); keys[event.key](); }
  });
  addEventListener("pageshow", function () { sent = false; }); // she went back to this page
  document.getElementById("help-button").onclick = keys["?"];
  document.addEventListener("focusin", function (event) {
    var card = event.target.closest(".card");
    if (card && card !== cards[at]) { at = cards.indexOf(card); go(at, true); event.target.focus(); }
  });
  var first = list ? cards.findIndex(function (card) { return card.id === list.dataset.at; }) : -1;
  go(Math.max(0, first), first < 0);

  function news() {
    fetch("/news", { credentials: "same-origin" }).then(function (answer) { return answer.json(); }).then(function (told) {
      cards.forEach(function (card) {
        var who = told[card.id] || [], line = card.querySelector(".news");
        if (who.length <= Number(card.dataset.others)) return;
        card.dataset.others = who.length;
        line.hidden = false;
        line.textContent = who.map(function (one) { return one + ": " + list.dataset.decided; }).join(", ");
      });
    }).catch(function () { /* the page was stopped, or she left: nothing is new */ });
  }
  if (list) setInterval(news, 10000);
})();
