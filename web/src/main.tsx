import { render } from "preact";

import "./styles/base.css";
import "./styles/shell.css";
import "./styles/parts.css";
import "./styles/tables.css";
import "./styles/overlays.css";
import "./styles/overview.css";
import "./styles/circuits.css";
import "./styles/configuration.css";
import "./styles/services.css";
import "./styles/incidents.css";
import "./styles/settings.css";
import "./styles/narrow.css";
import { App } from "./app";
import { begin } from "./store";

const place = document.getElementById("app");
if (place !== null) {
  place.textContent = "";
  render(<App />, place);
  void begin();
}
