import { useParams } from "@tanstack/react-router";
import { useEffect } from "react";
import { useConnections } from "../api/connections";

const remembered = "imago.org";

// useHere is the org that is looked at: the address's, else the one that was looked at
// last, else the first.
export function useHere(): string | undefined {
  const { connectionId } = useParams({ strict: false });
  const all = useConnections().data ?? [];
  useEffect(() => {
    if (connectionId) sessionStorage.setItem(remembered, connectionId);
  }, [connectionId]);
  if (connectionId) return connectionId;
  const last = sessionStorage.getItem(remembered);
  return all.find((c) => c.id === last)?.id ?? all[0]?.id;
}
