import { render } from "preact";

import "./styles/base.css";
import "./styles/parts.css";
import "./styles/views.css";
import { App } from "./app";
import { begin } from "./store";

const place = document.getElementById("app");
if (place !== null) {
  place.textContent = "";
  render(<App />, place);
  void begin();
}
