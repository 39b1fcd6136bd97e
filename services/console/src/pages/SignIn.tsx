import { useNavigate, useSearch } from "@tanstack/react-router";
import { entered } from "../api/sso";
import { CodeForm, SecondFactor } from "../parts/CodeForm";
import { Company } from "../parts/Company";
import { Doorway } from "../parts/Doorway";

// local keeps a way back that leads out of this console from being followed.
export function local(to = "/"): string {
  const url = URL.canParse(to, window.location.origin) && new URL(to, window.location.origin);
  return url && url.origin === window.location.origin && to.startsWith("/") ? url.href : "/";
}

// SignIn is the door. Who comes from another account that wants a second factor of them is
// asked for that alone.
export function SignIn() {
  const { to, factor } = useSearch({ from: "/sign-in" });
  const navigate = useNavigate();
  // The console begins anew: nothing of whoever was here before stays in it.
  const enter = () => {
    entered();
    window.location.assign(local(to));
  };
  return (
    <Doorway title="Sign in to Imago">
      {factor ? (
        <SecondFactor
          kind={factor}
          onDone={enter}
          onBack={() => navigate({ to: "/sign-in", search: { to } })}
        />
      ) : (
        <CodeForm onDone={enter} others={<Company to={to} />} />
      )}
    </Doorway>
  );
}
