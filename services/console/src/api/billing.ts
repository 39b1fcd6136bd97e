import { useQuery } from "@connectrpc/connect-query";
import { BillingService } from "../gen/imago/v1/billing_pb";

// useBilling gives what the account may have, and what it has of it. every asks for it anew
// after so many milliseconds.
export function useBilling(every?: number) {
  return useQuery(BillingService.method.getBilling, {}, { refetchInterval: every ?? false });
}

// useSells tells whether plans are sold here at all: an installation of one's own sells none.
export function useSells(): boolean {
  const billing = useBilling();
  return billing.data !== undefined && billing.data.plan !== "self_hosted";
}
