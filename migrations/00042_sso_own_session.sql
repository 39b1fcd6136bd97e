-- +goose Up
-- An account's identity provider ends the sessions that it let in when it goes. Of the one
-- that asks for that, nothing could be recorded after: and whoever takes away how they came
-- in shows first that they get in without it.

-- +goose StatementBegin
create or replace function guard_sso() returns trigger
language plpgsql security definer set search_path = ''
as $$
begin
    if (tg_op = 'DELETE' or tg_op = 'UPDATE' and (old.issuer, old.client_id) <> (new.issuer, new.client_id)) and public.current_sso() then
        raise exception 'you came in by the identity provider that this takes away' using errcode = 'IM003',
            hint = 'sign in by a mailed code or a passkey first: so it is known that you get in without it';
    end if;
    if tg_op = 'DELETE' then
        update public.sessions s set revoked_at = now() where s.account_id = old.account_id and s.sso and s.revoked_at is null;
        return old;
    end if;
    if tg_op = 'UPDATE' and (old.issuer, old.client_id) <> (new.issuer, new.client_id) then
        delete from public.sso_identities i where i.account_id = new.account_id;
        update public.sessions s set revoked_at = now() where s.account_id = new.account_id and s.sso and s.revoked_at is null;
    end if;
    if new.required and not exists (select from public.sso_identities i where i.account_id = new.account_id) then
        raise exception 'nobody has come in by this identity provider yet' using errcode = 'IM003',
            hint = 'save it without being the only way in, sign in by it once, then make it the only one';
    end if;
    if new.required then
        update public.sessions s set revoked_at = now()
        from public.members m
        where s.account_id = new.account_id and not s.sso and s.kind <> 'token' and s.revoked_at is null
            and m.account_id = s.account_id and m.user_id = s.user_id and m.role <> 'owner';
    end if;
    return new;
end
$$;
-- +goose StatementEnd
