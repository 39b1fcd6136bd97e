import type { UseQueryResult } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { Page } from "./Page";
import { Failed, Loading } from "./States";

// Query shows what a query found, or that it is on its way, or what went wrong. What was
// found before stays in sight while it is asked for again. page names the page where all of
// it hangs on this query.
export function Query<T>({
  of,
  lines,
  page,
  children,
}: {
  of: UseQueryResult<T, unknown>;
  lines?: number;
  page?: string;
  children: (data: NonNullable<T>) => ReactNode;
}) {
  if (of.data != null) return <>{children(of.data as NonNullable<T>)}</>;
  const instead = of.error ? (
    <Failed error={of.error} again={() => void of.refetch()} />
  ) : (
    <Loading lines={lines} />
  );
  return page ? <Page title={page}>{instead}</Page> : instead;
}
