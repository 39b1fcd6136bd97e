import { useQueryClient } from "@tanstack/react-query";
import { useNavigate, useRouter, useSearch } from "@tanstack/react-router";
import { CodeForm, SecondFactor } from "../parts/CodeForm";
import { Doorway } from "../parts/Doorway";

// local keeps a way back that leads out of this console from being followed.
function local(to: string | undefined): string {
  if (!to) return "/";
  const url = new URL(to, window.location.origin);
  return url.origin === window.location.origin && to.startsWith("/")
    ? url.pathname + url.search + url.hash
    : "/";
}

// SignIn is the door. Who comes from another account that wants a second factor of them is
// asked for that alone.
export function SignIn() {
  const { to, factor } = useSearch({ from: "/sign-in" });
  const router = useRouter();
  const navigate = useNavigate();
  const queries = useQueryClient();
  const enter = () => {
    queries.clear();
    router.history.push(local(to));
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
        <CodeForm onDone={enter} />
      )}
    </Doorway>
  );
}
