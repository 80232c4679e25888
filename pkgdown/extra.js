// The list of a page's headings, beside it. pkgdown's own comes from another host.
document.addEventListener("DOMContentLoaded", function () {
  var nav = document.getElementById("toc");
  if (!nav) return;
  var list = document.createElement("ul");
  document.querySelectorAll("main h2, main h3").forEach(function (heading) {
    if (nav.contains(heading) || heading.closest("aside, nav")) return;
    var anchor = heading.querySelector("a.anchor");
    var id = anchor ? anchor.getAttribute("href").slice(1) : heading.id;
    if (!id) return;
    var link = document.createElement("a");
    link.href = "#" + id;
    link.textContent = heading.textContent.trim();
    var item = document.createElement("li");
    item.className = "toc-" + heading.tagName.toLowerCase();
    item.appendChild(link);
    list.appendChild(item);
  });
  if (list.children.length) nav.appendChild(list); else nav.remove();
});
