-- +goose Up
-- Who has an authenticator and is in may put another one in its place: the old one counts
-- until the new one's first code was given. Somebody whose account wants a second factor
-- could not remove the old one first, nor have two.

alter table totp_factors add column next_secret bytea;
comment on column totp_factors.next_secret is 'of the authenticator that is to take its place, sealed as the secret; null: none';

-- +goose StatementBegin
create or replace function enroll_totp(secret bytea) returns boolean
language plpgsql volatile security definer set search_path = ''
as $$
declare
    person uuid := public.begin_factor();
begin
    if person is null or public.current_session_id() is not null and not public.current_stepped_up() then
        raise exception 'a new authenticator needs a step-up' using errcode = 'IM002';
    end if;
    insert into public.totp_factors as t (user_id, secret) values (person, enroll_totp.secret)
    on conflict on constraint totp_factors_user_key do update set
        secret = case when t.confirmed_at is null then excluded.secret else t.secret end,
        next_secret = case when t.confirmed_at is not null then excluded.secret end;
    return true;
end
$$;
-- +goose StatementEnd
comment on function enroll_totp(bytea) is 'begins to enrol an authenticator, or one in the place of another';

drop function try_factor();
-- +goose StatementBegin
create function try_factor(enrolling boolean default false)
returns table (allowed boolean, secret bytea, confirmed boolean)
language plpgsql volatile security definer set search_path = ''
as $$
begin
    update public.totp_factors t set
        tries = case when t.tries_since < now() - interval '10 minutes' then 1 else t.tries + 1 end,
        tries_since = case when t.tries_since < now() - interval '10 minutes' then now() else t.tries_since end
    where t.user_id = public.current_person();
    return query
        select t.tries <= 5, case when enrolling then coalesce(t.next_secret, t.secret) else t.secret end,
            t.confirmed_at is not null and not (enrolling and t.next_secret is not null)
        from public.totp_factors t where t.user_id = public.current_person();
end
$$;
-- +goose StatementEnd
comment on function try_factor(boolean) is 'counts a try at the person''s authenticator, or at the one that is being enrolled; its sealed secret';

-- +goose StatementBegin
create or replace function confirm_totp(step bigint, recovery bytea[], token_hash bytea) returns timestamptz
language plpgsql volatile security definer set search_path = ''
as $$
declare
    person uuid := public.begin_factor();
begin
    update public.totp_factors t set
        secret = coalesce(t.next_secret, t.secret), next_secret = null, confirmed_at = now(), last_step = step
    where t.user_id = person and (t.confirmed_at is null or t.next_secret is not null);
    if not found then
        return null;
    end if;
    delete from public.recovery_codes r where r.user_id = person;
    insert into public.recovery_codes (user_id, code_hash) select person, c from unnest(recovery) c;
    return public.rise(token_hash);
end
$$;
-- +goose StatementEnd

-- What one's accounts want, and what the one wants that the session is for.
drop function my_factors();
-- +goose StatementBegin
create function my_factors()
returns table (totp_at timestamptz, recovery_codes bigint, required boolean, account_requires boolean)
language sql stable security definer set search_path = ''
as $$
    select (select t.confirmed_at from public.totp_factors t where t.user_id = p.id),
        (select count(*) from public.recovery_codes r where r.user_id = p.id and r.used_at is null),
        exists (select from public.members m join public.accounts a on a.id = m.account_id
            where m.user_id = p.id and a.require_second_factor),
        (select a.require_second_factor from public.sessions s join public.accounts a on a.id = s.account_id
            where s.id = coalesce(public.current_session_id(), public.current_pending_id()))
    from (select public.current_person() as id) p
    where p.id is not null
$$;
-- +goose StatementEnd
comment on function my_factors() is 'what the person has for a second factor, whether one of their accounts wants it, and whether the session''s does';

-- +goose StatementBegin
do $$
declare
    signature text;
begin
    execute 'grant create on schema public to imago_definer';
    foreach signature in array array['try_factor(boolean)', 'my_factors()'] loop
        execute format('alter function public.%s owner to imago_definer', signature);
        execute format('revoke execute on function public.%s from public', signature);
        execute format('grant execute on function public.%s to imago_api', signature);
    end loop;
    execute 'revoke create on schema public from imago_definer';
end
$$;
-- +goose StatementEnd
