"""A switched theme: the browser follows at once, charts are drawn by the server with their colours.

Streamlit tells the server of the theme with the next run only. A few lines in the browser ask for that run.
"""

from streamlit.components.v2 import component

_SCRIPT = """
export default function ({ setTriggerValue }) {
  const shown = () => {
    const page = document.querySelector(".stApp")
    return page ? getComputedStyle(page).backgroundColor : ""
  }
  let before = shown()
  const timer = setInterval(() => {
    const now = shown()
    if (before && now !== before) setTriggerValue("theme", now)
    before = now || before
  }, 500)
  return () => clearInterval(timer)
}
"""


def watch() -> None:
    """Run the page again when the browser shows other colours."""
    switch = component("dualens_theme", js=_SCRIPT)
    switch(key="theme-switch", height=0, on_theme_change=lambda: None)
