// Asking for what a view shows: what was shown stays until the next is there, and what is no longer wanted is let go.
import { useEffect, useState } from "preact/hooks";
import { ApiError, ask } from "./api.ts";

export interface Loaded<T> {
  data: T | null;
  error: ApiError | null;
  loading: boolean;
  /** What was asked for when `data` or `error` came. */
  address: string | null;
}

/** A question that follows quickly on another waits for so long, lest a drag of the slider asks for every moment. */
const PAUSE_MS = 40;

/** The answer at an address; null asks for nothing. */
export function useAnswer<T>(address: string | null, again = 0): Loaded<T> {
  const [loaded, setLoaded] = useState<Loaded<T>>({ data: null, error: null, loading: address !== null, address: null });
  useEffect(() => {
    if (address === null) {
      setLoaded({ data: null, error: null, loading: false, address: null });
      return;
    }
    const controller = new AbortController();
    setLoaded((before) => ({ ...before, loading: true }));
    const timer = setTimeout(async () => {
      try {
        const data = await ask<T>(address, controller.signal);
        if (!controller.signal.aborted) setLoaded({ data, error: null, loading: false, address });
      } catch (error) {
        if (controller.signal.aborted) return;
        const known = error instanceof ApiError ? error : new ApiError("io", String(error), null);
        setLoaded({ data: null, error: known, loading: false, address });
      }
    }, PAUSE_MS);
    return () => {
      clearTimeout(timer);
      controller.abort();
    };
  }, [address, again]);
  return loaded;
}

export interface Pages<T> {
  items: T[];
  error: ApiError | null;
  loading: boolean;
  /** Whether there are more. */
  more: boolean;
  /** Asks for the next page. */
  next: () => void;
}

/**
 * The pages of a list, from the first on. `page` gives the address of the page behind a cursor. A page without items
 * that goes on is followed by the next one by itself.
 */
export function usePages<T, C>(
  name: string | null,
  page: (after: C | null) => string,
  take: (answer: never) => { items: T[]; next: C | null },
): Pages<T> {
  const [state, setState] = useState<{ name: string | null; items: T[]; next: C | null; error: ApiError | null; loading: boolean }>({
    name: null,
    items: [],
    next: null,
    error: null,
    loading: name !== null,
  });
  const [wanted, setWanted] = useState<{ after: C | null; number: number }>({ after: null, number: 0 });
  useEffect(() => setWanted((before) => ({ after: null, number: before.number + 1 })), [name]);
  useEffect(() => {
    if (name === null) {
      setState({ name: null, items: [], next: null, error: null, loading: false });
      return;
    }
    const controller = new AbortController();
    setState((before) => ({ ...before, loading: true }));
    const timer = setTimeout(async () => {
      let after = wanted.after;
      try {
        for (;;) {
          const { items, next } = take((await ask(page(after), controller.signal)) as never);
          if (controller.signal.aborted) return;
          const isFirst = after === null;
          const goesOn = items.length === 0 && next !== null;
          setState((before) => ({
            name,
            items: isFirst ? items : [...before.items, ...items],
            next,
            error: null,
            loading: goesOn,
          }));
          if (!goesOn) return;
          after = next;
        }
      } catch (error) {
        if (controller.signal.aborted) return;
        const known = error instanceof ApiError ? error : new ApiError("io", String(error), null);
        setState({ name, items: [], next: null, error: known, loading: false });
      }
    }, PAUSE_MS);
    return () => {
      clearTimeout(timer);
      controller.abort();
    };
  }, [wanted]);
  return {
    items: state.items,
    error: state.error,
    loading: state.loading || state.name !== name,
    more: state.next !== null,
    next: () => setWanted((before) => ({ after: state.next, number: before.number + 1 })),
  };
}
