/* What the theme leaves out for readers who use a keyboard or a screen reader. */

/* What scrolls can be reached by the keyboard. */
function makeScrollableFocusable() {
  for (const element of document.querySelectorAll(".highlight pre, .table-wrapper, .sidebar-scroll, .toc-scroll")) {
    const scrolls = element.scrollWidth > element.clientWidth || element.scrollHeight > element.clientHeight;
    if (scrolls) element.tabIndex = 0;
  }
}

function nameLandmarks() {
  document.querySelector(".sidebar-drawer")?.setAttribute("aria-label", "All pages");
  document.querySelector(".toc-drawer")?.setAttribute("aria-label", "This page");
  for (const caption of document.querySelectorAll(".caption[role=heading]")) caption.setAttribute("aria-level", "2");
}

/* A table's empty corner is no heading. */
function freeEmptyHeadings() {
  for (const heading of document.querySelectorAll("th")) {
    if (!heading.textContent.trim()) heading.replaceWith(document.createElement("td"));
  }
}

function titleSearchPage() {
  const article = document.querySelector("article");
  if (!article || document.querySelector("h1")) return;
  const title = document.createElement("h1");
  title.textContent = "Search";
  article.prepend(title);
}

document.addEventListener("DOMContentLoaded", () => {
  nameLandmarks();
  freeEmptyHeadings();
  titleSearchPage();
  makeScrollableFocusable();
});
window.addEventListener("resize", makeScrollableFocusable);
