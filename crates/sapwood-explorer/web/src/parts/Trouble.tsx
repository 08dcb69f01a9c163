// What the API refused, and what to do about it.
import type { ApiError } from "../api.ts";
import { number } from "../format.ts";
import { at, floor, lookAt, other } from "../state.ts";

export function Trouble({ error }: { error: ApiError }) {
  const isPruned = error.kind === "pruned";
  const to = error.floor ?? floor.value;
  const mend = () => {
    if (at.value !== null && at.value < to) lookAt(to);
    if (other.value !== null && other.value < to) other.value = to;
  };
  return (
    <div class="refused" role="alert" data-test="refused">
      <strong>{isPruned ? "This moment was pruned" : error.kind === "not_yet" ? "This moment is not there yet" : "This cannot be shown"}</strong>
      <p>{error.message}</p>
      {isPruned && <button onClick={mend}>{`Go to the floor, ${number(to)}`}</button>}
      {error.kind === "not_yet" && <button onClick={() => lookAt(null)}>Go to the newest</button>}
    </div>
  );
}
