import { Input, PinInput } from "@mantine/core";
import { useId } from "react";

// CodeInput takes six digits, typed or pasted.
export function CodeInput(p: {
  label?: string;
  value: string;
  onChange: (code: string) => void;
  onComplete: (code: string) => void;
  wrong?: string;
  busy: boolean;
}) {
  const id = useId();
  return (
    <Input.Wrapper label={p.label ?? "Code"} id={id} error={p.wrong}>
      <PinInput
        id={id}
        length={6}
        type="number"
        oneTimeCode
        autoFocus
        value={p.value}
        onChange={p.onChange}
        onComplete={p.onComplete}
        disabled={p.busy}
        error={!!p.wrong}
        getInputProps={(i) => ({ "aria-label": `Digit ${i + 1} of 6` })}
      />
    </Input.Wrapper>
  );
}
