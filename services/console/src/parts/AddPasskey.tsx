import { Divider, Stack, TextInput } from "@mantine/core";
import { useState } from "react";
import { addPasskey, usePasskeys } from "../api/passkey";
import { RecoveryCodes } from "./Enroll";
import { PasskeyButton } from "./PasskeyButton";

// AddPasskey registers a passkey; whoever had no recovery codes is shown ten. On the way in
// (waiting) it stands below another choice.
export default function AddPasskey({ onDone, waiting }: { onDone: () => void; waiting?: boolean }) {
  const usable = usePasskeys();
  const [name, setName] = useState("");
  const [codes, setCodes] = useState<string[]>([]);
  if (codes.length > 0) return <RecoveryCodes codes={codes} onDone={onDone} />;
  if (!usable) return null;
  return (
    <Stack gap="sm">
      {waiting && <Divider label="or" />}
      {!waiting && (
        <TextInput
          label="Name"
          description="To tell it from others, such as the device's"
          placeholder="Passkey"
          maxLength={60}
          value={name}
          onChange={(e) => setName(e.currentTarget.value)}
        />
      )}
      <PasskeyButton
        label="Add a passkey"
        act={() => addPasskey(name, waiting)}
        onDone={(made) => (made.length > 0 ? setCodes(made) : onDone())}
        main={!waiting}
      />
    </Stack>
  );
}
