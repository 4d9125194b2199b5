// Formulas first, since they change the height of a slide; then the slides.
window.deckIsReady = MathJax.startup.promise
  .then(() => MathJax.typesetPromise([document.querySelector(".slides")]))
  .then(() =>
    Reveal.initialize({
      width: 1200, height: 700, margin: 0.03, center: false, hash: true, slideNumber: "c/t",
      navigationMode: "linear", transition: "none", plugins: [RevealNotes],
    })
  )
  .then(() => {
    const mark = () => {
      for (const slide of document.querySelectorAll(".slides section section")) {
        if (slide.scrollHeight > slide.clientHeight + 1) slide.tabIndex = 0; // scrolls by keyboard
      }
    };
    Reveal.on("slidechanged", mark);
    mark();
  });
