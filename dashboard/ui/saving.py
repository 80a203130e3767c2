"""What one takes home of a picture: as PNG, as SVG, and its numbers as CSV.

The picture is taken in the browser, in the theme it shows: a server would need a browser of its own for that.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from streamlit.components.v2 import component

from dashboard.text import cells
from dashboard.ui.drawing import STYLE

HEIGHT_PX = 22
_HTML = """
<div class="save" role="group">
  <span aria-hidden="true">Save as</span>
  <button data-form="png">PNG</button><button data-form="svg">SVG</button><button data-form="csv">CSV</button>
</div>
<div class="picture" aria-hidden="true"></div>
"""
_STYLE = (
    f"""{STYLE}
.picture {{ position: absolute; left: -9999px; width: 1000px }}
.picture text {{ font-family: "Source Sans", sans-serif }}
"""
    + """
.save:not([hidden]) { display: flex; justify-content: flex-end; gap: 0.1rem; align-items: center;
  height: 22px; font: 12px "Source Sans", sans-serif; color: light-dark(#5f6b7c, #a3adbd) }
button { font: inherit; color: inherit; background: none; border: 0; padding: 2px 5px; border-radius: 4px;
  cursor: pointer; text-decoration: underline; text-underline-offset: 2px }
button:hover, button:focus-visible { color: light-dark(#0b6e99, #6fb8da) }
button:focus-visible { outline: 2px solid currentColor }
"""
)
_SCRIPT = """
const KEPT = ["fill", "stroke", "stroke-width", "stroke-dasharray", "stroke-opacity", "stroke-linecap",
  "fill-opacity", "opacity", "font-family", "font-size", "font-weight", "font-style", "text-anchor",
  "dominant-baseline", "visibility", "display", "white-space"]
const MARGIN = 24  // px; without the page's font, letters are wider
const NAMESPACE = "http://www.w3.org/2000/svg"

// All SVG elements inside, those of components included, outermost only.
const pictures = (root) => {
  const found = [...root.querySelectorAll("svg")].filter((each) => !each.parentElement?.closest("svg"))
  for (const each of root.querySelectorAll("*")) if (each.shadowRoot) found.push(...pictures(each.shadowRoot))
  return found
}

// What is drawn, by itself: every part carries the look that style sheets give it on the page.
const alone = (picture) => {
  const copy = picture.cloneNode(true)
  const before = [picture, ...picture.querySelectorAll("*")], after = [copy, ...copy.querySelectorAll("*")]
  before.forEach((part, at) => {
    const look = getComputedStyle(part)
    for (const name of KEPT) after[at].style.setProperty(name, look.getPropertyValue(name))
  })
  return copy
}

const drawn = (root) => {
  const plot = root?.querySelector(".js-plotly-plot")
  const layers = plot ? [...plot.querySelectorAll(".main-svg")] : root ? pictures(root).slice(0, 1) : []
  if (!layers.length) return null
  const inner = layers[0].getBoundingClientRect()
  const [width, height] = [inner.width + 2 * MARGIN, inner.height + 2 * MARGIN]
  const whole = document.createElementNS(NAMESPACE, "svg")
  whole.setAttribute("xmlns", NAMESPACE)
  whole.setAttribute("width", width)
  whole.setAttribute("height", height)
  whole.setAttribute("viewBox", `${-MARGIN} ${-MARGIN} ${width} ${height}`)
  const ground = document.createElementNS(NAMESPACE, "rect")
  ground.setAttribute("x", -MARGIN)
  ground.setAttribute("y", -MARGIN)
  ground.setAttribute("width", "100%")
  ground.setAttribute("height", "100%")
  ground.setAttribute("fill", getComputedStyle(document.querySelector(".stApp")).backgroundColor)
  const copies = layers.map(alone)
  for (const copy of copies) {
    copy.setAttribute("width", inner.width)
    copy.setAttribute("height", inner.height)
  }
  whole.append(ground, ...copies)
  return { text: new XMLSerializer().serializeToString(whole), width, height }
}

const save = (blob, name) => {
  const link = document.createElement("a")
  link.href = URL.createObjectURL(blob)
  link.download = name
  link.click()
  setTimeout(() => URL.revokeObjectURL(link.href), 10000)
}

const raster = async ({ text, width, height }) => {
  const image = new Image()
  image.src = "data:image/svg+xml;charset=utf-8," + encodeURIComponent(text)
  await image.decode()
  const canvas = document.createElement("canvas")
  canvas.width = 2 * width
  canvas.height = 2 * height
  canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height)
  return new Promise((done) => canvas.toBlob(done, "image/png"))
}

export default ({ data, parentElement }) => {
  const group = parentElement.querySelector(".save"), own = parentElement.querySelector(".picture")
  group.setAttribute("aria-label", `Save ${data.name}`)
  group.hidden = !data.csv
  for (const button of parentElement.querySelectorAll("button")) {
    const form = button.dataset.form
    button.setAttribute("aria-label", `Save ${data.name} as ${form.toUpperCase()}`)
    button.onclick = async () => {
      const name = `dualens-${data.file}.${form}`
      if (form === "csv") return save(new Blob([data.csv], { type: "text/csv" }), name)
      own.innerHTML = data.svg  // not before: it would be parsed with every move of a slider
      const picture = drawn(data.svg ? own : document.querySelector(`.st-key-${CSS.escape(data.target)}`))
      if (!picture) return
      const svg = new Blob([picture.text], { type: "image/svg+xml" })
      save(form === "svg" ? svg : await raster(picture), name)
    }
  }
}
"""

Rows = Sequence[Mapping[str, Any]]
"""The numbers of a picture, one mapping a row."""


def downloads(key: str, name: str, rows: Rows, svg: str = "") -> None:
    """How to save the picture drawn under `key`, and its numbers. `svg`: the picture to save where that one
    is not whole by itself (`dashboard.report.pictures`). Without numbers there is nothing to save yet: the
    place is kept."""
    save = component("dualens_save", html=_HTML, css=_STYLE, js=_SCRIPT)
    numbers = cells.rows_csv(rows) if rows else ""
    svg = svg if rows else ""
    data = {"target": key, "name": name, "file": name.replace(" ", "-"), "csv": numbers, "svg": svg}
    save(key=f"{key}-save", data=data, height=HEIGHT_PX)
