-- +goose Up
-- Whoever runs an account's identity provider comes in as any of its members, and may guess
-- there at the codes of a person's authenticator. Such tries are counted apart and are fewer:
-- they must neither keep the person out elsewhere nor ever come to the right one.

alter table sso_identities add column tries int not null default 0;
alter table sso_identities add column tries_since timestamptz not null default now();
comment on column sso_identities.tries is 'at the person''s second factor, in sessions that the provider let in';

-- +goose StatementBegin
create or replace function try_factor(enrolling boolean default false)
returns table (allowed boolean, secret bytea, confirmed boolean)
language plpgsql volatile security definer set search_path = ''
as $$
declare
    person uuid := public.current_person();
    lasts interval := case when public.current_sso() then interval '1 day' else interval '10 minutes' end;
    made int;
begin
    if public.current_sso() then
        update public.sso_identities i set
            tries = case when i.tries_since < now() - lasts then 1 else i.tries + 1 end,
            tries_since = case when i.tries_since < now() - lasts then now() else i.tries_since end
        where i.user_id = person and i.account_id = public.current_account() returning i.tries into made;
    else
        update public.totp_factors t set
            tries = case when t.tries_since < now() - lasts then 1 else t.tries + 1 end,
            tries_since = case when t.tries_since < now() - lasts then now() else t.tries_since end
        where t.user_id = person returning t.tries into made;
    end if;
    return query
        select coalesce(made <= 5, false), case when enrolling then coalesce(t.next_secret, t.secret) else t.secret end,
            t.confirmed_at is not null and not (enrolling and t.next_secret is not null)
        from public.totp_factors t where t.user_id = person;
end
$$;
-- +goose StatementEnd
comment on function try_factor(boolean) is 'counts a try at the person''s authenticator, or at the one that is being enrolled; its sealed secret. Five in ten minutes, five a day for who came in by an identity provider';

-- Only what was counted in such a session begins anew with the right one there.
-- +goose StatementBegin
create or replace function rise(token_hash bytea) returns timestamptz
language sql volatile security definer set search_path = ''
as $$
    update public.totp_factors t set tries = 0 where t.user_id = public.current_person() and not public.current_sso();
    update public.sso_identities i set tries = 0
    where public.current_sso() and i.user_id = public.current_user_id() and i.account_id = public.current_account();
    update public.sessions s set token_hash = rise.token_hash, stepped_up_at = now(), second_factor_at = now(), pending = false
    where s.id = coalesce(public.current_session_id(), public.current_pending_id())
    returning s.expires_at
$$;
-- +goose StatementEnd
