import { useQueryClient } from "@tanstack/react-query";
import { lazy, Suspense, useEffect, useRef, useState } from "react";
import { sameAgain, sessionQuery } from "../api/session";
import { onWant, type Want } from "../api/transport";

// It is seldom asked, and its forms come when it is.
const Question = lazy(() => import("./Question"));

// Wanted asks for what a call lacks, above the page that somebody is at: the page keeps what
// was typed, and what it asked for goes on when they are back.
export function Wanted() {
  const queries = useQueryClient();
  const [want, setWant] = useState<Want>();
  const answer = useRef<(yes: boolean) => void>(undefined);
  useEffect(
    () =>
      onWant(
        (what) =>
          new Promise<boolean>((resolve) => {
            answer.current = resolve;
            setWant(what);
          }),
      ),
    [],
  );
  const close = async (yes: boolean) => {
    const before = queries.getQueryData(sessionQuery.queryKey);
    setWant(undefined);
    if (yes && want === "session" && before) await sameAgain(before);
    answer.current?.(yes);
    if (yes) void queries.invalidateQueries({ queryKey: sessionQuery.queryKey });
  };
  if (!want) return null;
  const email = queries.getQueryData(sessionQuery.queryKey)?.email ?? "";
  return (
    <Suspense fallback={null}>
      <Question want={want} email={email} onEnd={close} />
    </Suspense>
  );
}
