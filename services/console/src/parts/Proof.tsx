import { useQuery } from "@connectrpc/connect-query";
import { Divider, Stack } from "@mantine/core";
import type { ReactNode } from "react";
import { proveByPasskey, usePasskeys } from "../api/passkey";
import { door } from "../api/transport";
import { FactorService } from "../gen/imago/v1/factor_pb";
import { PasskeyService } from "../gen/imago/v1/passkey_pb";
import { PasskeyButton } from "./PasskeyButton";
import { Query } from "./Query";
import Verify from "./Verify";

// Proof asks for a second factor: a passkey, the authenticator's code, or a recovery code.
// Who has none is asked for what none names.
export default function Proof(p: { label: string; onDone: () => void; none?: ReactNode }) {
  const fresh = { transport: door, staleTime: 0 };
  const factors = useQuery(FactorService.method.getFactors, {}, fresh);
  const passkeys = useQuery(PasskeyService.method.listPasskeys, {}, fresh);
  const usable = usePasskeys();
  const has = passkeys.data?.passkeys.length ?? 0;
  if (!passkeys.data && !passkeys.error) return <Query of={passkeys}>{() => null}</Query>;
  return (
    <Query of={factors} lines={2}>
      {(f) => {
        const totp = f.totpConfirmedAt !== undefined;
        if (!totp && has === 0) return p.none;
        return (
          <Stack gap="sm">
            {has > 0 && usable && (
              <>
                <PasskeyButton label="Use a passkey" act={proveByPasskey} onDone={p.onDone} main={!totp} />
                <Divider label="or" />
              </>
            )}
            <Verify label={p.label} onDone={p.onDone} recoveryOnly={!totp} />
          </Stack>
        );
      }}
    </Query>
  );
}
