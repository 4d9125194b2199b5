"""A slider that shows a picture and a sentence for each of its values, in JupyterLab."""

import io
from collections.abc import Callable, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

DOTS_PER_INCH = 100


class PictureSlider:
    """Move a slider and see the picture and the sentence of each value.

    Stored notebooks hold no slider. Where none can run, a line of text stands in its place, so
    show the same pictures side by side as well.

    Parameters
    ----------
    name : str
        What the values are, such as ``"lambda"``.
    values : sequence of float
        At least two, in order.
    draw : callable
        ``draw(value, ax)`` draws the picture of a value.
    describe : callable
        ``describe(value)`` says in a sentence what the picture shows.
    size : tuple of float
        Width and height of the picture, in inches.

    Raises
    ------
    ValueError
        If there are fewer than two values.

    Examples
    --------
    >>> PictureSlider("lambda", [0, 1], lambda value, ax: ax.plot([value]), lambda v: f"at {v}")
    A slider for lambda from 0 to 1. Run this cell in JupyterLab to move it.
    """

    def __init__(
        self,
        name: str,
        values: Sequence[float],
        draw: Callable[[float, Axes], object],
        describe: Callable[[float], str],
        *,
        size: tuple[float, float] = (4.5, 4.0),
    ):
        if len(values) < 2:
            raise ValueError(f"values is {list(values)}; a slider needs two or more")
        self.name, self.values, self.size = name, list(values), size
        self._draw, self._describe = draw, describe
        self._widget = None

    def picture(self, value: float) -> bytes:
        """Return the picture of a value as a PNG file."""
        figure = Figure(figsize=self.size, layout="constrained")
        self._draw(value, figure.subplots())
        file = io.BytesIO()
        figure.savefig(file, format="png", dpi=DOTS_PER_INCH)
        return file.getvalue()

    @property
    def widget(self):
        """The ipywidgets box: a slider, the sentence, and the picture. The same at each call."""
        if self._widget is None:
            self._widget = self._build()
        return self._widget

    def _build(self):
        import ipywidgets  # only where a slider is shown

        options = [(f"{value:g}", value) for value in self.values]
        slider = ipywidgets.SelectionSlider(options=options, description=self.name)
        width = f"{round(self.size[0] * DOTS_PER_INCH)}px"
        # without a width of its own, JupyterLab would stretch the picture over the whole cell
        image = ipywidgets.Image(format="png", layout={"width": width})
        sentence = ipywidgets.Label()

        def show(value):
            image.value, sentence.value = self.picture(value), self._describe(value)

        def move(change):
            try:
                show(change["new"])
            except Exception as error:  # nobody sees what a moved slider raises
                sentence.value = f"No picture: {type(error).__name__}: {error}"

        # the first picture is drawn here, so a mistake in draw fails the cell that made it
        show(slider.value)
        slider.observe(move, names="value")
        return ipywidgets.VBox([slider, sentence, image])

    def __repr__(self):
        ends = f"from {self.values[0]:g} to {self.values[-1]:g}"
        return f"A slider for {self.name} {ends}. Run this cell in JupyterLab to move it."

    def _repr_mimebundle_(self, include=None, exclude=None):
        return {**self.widget._repr_mimebundle_(), "text/plain": repr(self)}
