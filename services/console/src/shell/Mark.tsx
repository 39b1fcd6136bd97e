// Mark is Imago's sign.
export function Mark({ size = 24 }: { size?: number }) {
  return <img src="/imago.svg" width={size} height={size} alt="" />;
}
