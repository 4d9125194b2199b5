// For each piece of code a button that copies it, also where the page is only a file.
function addCopyButton(code) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "copy-button";
  button.textContent = "Copy";
  button.setAttribute("aria-label", "Copy this code");
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(code.querySelector("pre").innerText);
      button.textContent = "Copied";
    } catch {
      getSelection().selectAllChildren(code.querySelector("pre"));
      button.textContent = "Selected"; // and Ctrl+C copies it
    }
    setTimeout(() => (button.textContent = "Copy"), 2000);
  });
  code.append(button);
}

document.addEventListener("DOMContentLoaded", () => {
  for (const code of document.querySelectorAll(".highlight")) {
    if (code.closest(".cell_output")) continue;
    addCopyButton(code);
  }
  for (const text of document.querySelectorAll(".cell_output pre")) {
    text.tabIndex = 0; // what scrolls must be reached by keyboard
    text.classList.toggle("table-text", /\S {3,}\S/.test(text.textContent));
  }
});
