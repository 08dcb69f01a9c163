// The explorer's page.
import { render } from "preact";
import "./style/base.css";
import "./style/time.css";
import "./style/panes.css";
import "./style/engine.css";
import { listen } from "./keyboard.ts";
import { ChangesView } from "./parts/ChangesView.tsx";
import { Detail } from "./parts/Detail.tsx";
import { EngineView } from "./parts/EngineView.tsx";
import { Help } from "./parts/Help.tsx";
import { KeyList } from "./parts/KeyList.tsx";
import { TimePanel } from "./parts/TimePanel.tsx";
import { TopBar } from "./parts/TopBar.tsx";
import { begin, key, status, view } from "./state.ts";

function StateView() {
  return (
    <div class="panes" data-open={key.value === null ? "list" : "detail"}>
      <KeyList />
      <Detail />
    </div>
  );
}

function Page() {
  return (
    <>
      <TopBar />
      {status.value && (
        <main>
          <TimePanel />
          <div id="view" role="tabpanel" aria-labelledby={`tab-${view.value}`} class={`view ${view.value}`}>
            {view.value === "state" && <StateView />}
            {view.value === "changes" && <ChangesView />}
            {view.value === "engine" && <EngineView />}
          </div>
        </main>
      )}
      <Help />
    </>
  );
}

const app = document.getElementById("app");
if (app) {
  begin();
  listen();
  render(<Page />, app);
}
