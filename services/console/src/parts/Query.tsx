import type { UseQueryResult } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { Failed, Loading } from "./States";

// Query shows what a query found, or that it is on its way, or what went wrong. What was
// found before stays in sight while it is asked for again.
export function Query<T>({
  of,
  lines,
  children,
}: {
  of: UseQueryResult<T, unknown>;
  lines?: number;
  children: (data: NonNullable<T>) => ReactNode;
}) {
  if (of.data != null) return <>{children(of.data as NonNullable<T>)}</>;
  if (of.error) return <Failed error={of.error} again={() => void of.refetch()} />;
  return <Loading lines={lines} />;
}
