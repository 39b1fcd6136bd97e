-- +goose Up
-- Whoever has a passkey has a second factor: a session that waits for it, which a mailed
-- code alone opens, does not enrol an authenticator beside it. Who adds a factor, or takes
-- one away, waits for whoever does so at the same moment, and then looks anew.

-- For the functions below it, and for no program.
-- +goose StatementBegin
create function hold_factors() returns uuid
language plpgsql volatile security definer set search_path = ''
as $$
declare
    person uuid := public.current_person();
begin
    perform pg_catalog.pg_advisory_xact_lock(7304, pg_catalog.hashtext(person::text));
    return person;
end
$$;
-- +goose StatementEnd
comment on function hold_factors() is 'holds the second factors of the presented session''s person until the transaction ends, and answers who that is';

-- For the functions below it, and for no program.
-- +goose StatementBegin
create function begin_factor() returns uuid
language plpgsql volatile security definer set search_path = ''
as $$
declare
    person uuid := public.hold_factors();
begin
    if public.current_session_id() is null and public.has_second_factor(person) then
        raise exception 'you have a second factor already, and have not given it' using errcode = 'IM002',
            hint = 'use your passkey, the code of your authenticator app, or a recovery code';
    end if;
    return person;
end
$$;
-- +goose StatementEnd
comment on function begin_factor() is 'who may add a second factor: who is in, and who waits for one and has none';

-- +goose StatementBegin
create or replace function enroll_totp(secret bytea) returns boolean
language plpgsql volatile security definer set search_path = ''
as $$
declare
    person uuid := public.hold_factors();
begin
    if exists (select from public.totp_factors t where t.user_id = person and t.confirmed_at is not null) then
        return false;
    end if;
    person := public.begin_factor();
    if person is null or public.current_session_id() is not null and not public.current_stepped_up() then
        return false;
    end if;
    insert into public.totp_factors as t (user_id, secret) values (person, enroll_totp.secret)
    on conflict on constraint totp_factors_user_key do update
        set secret = excluded.secret, created_at = now(), last_step = 0;
    return true;
end
$$;
-- +goose StatementEnd

-- +goose StatementBegin
create or replace function confirm_totp(step bigint, recovery bytea[], token_hash bytea) returns timestamptz
language plpgsql volatile security definer set search_path = ''
as $$
declare
    person uuid := public.begin_factor();
begin
    update public.totp_factors t set confirmed_at = now(), last_step = step
    where t.user_id = person and t.confirmed_at is null;
    if not found then
        return null;
    end if;
    delete from public.recovery_codes r where r.user_id = person;
    insert into public.recovery_codes (user_id, code_hash) select person, c from unnest(recovery) c;
    return public.rise(token_hash);
end
$$;
-- +goose StatementEnd

-- +goose StatementBegin
create or replace function add_passkey(passkey uuid, credential_hash bytea, record bytea, token_hash bytea) returns timestamptz
language plpgsql volatile security definer set search_path = ''
as $$
declare
    person uuid := public.begin_factor();
begin
    if person is null or public.current_session_id() is not null and not public.current_stepped_up() then
        raise exception 'a new passkey needs a step-up' using errcode = 'IM002';
    end if;
    if (select count(*) from public.passkeys p where p.user_id = person) >= 20 then
        raise exception 'you have 20 passkeys' using errcode = 'IM001', hint = 'remove one that you do not use';
    end if;
    insert into public.passkeys (id, user_id, credential_hash, record)
    values (passkey, person, add_passkey.credential_hash, add_passkey.record)
    on conflict do nothing;
    if not found then
        return null;
    end if;
    return public.rise(token_hash);
end
$$;
-- +goose StatementEnd

-- +goose StatementBegin
create or replace function set_recovery_codes(recovery bytea[]) returns boolean
language plpgsql volatile security definer set search_path = ''
as $$
declare
    person uuid := public.begin_factor();
begin
    if person is null or public.current_session_id() is not null and not public.current_stepped_up()
            or exists (select from public.recovery_codes r where r.user_id = person and r.used_at is null) then
        return false;
    end if;
    delete from public.recovery_codes r where r.user_id = person;
    insert into public.recovery_codes (user_id, code_hash) select person, c from unnest(recovery) c;
    return true;
end
$$;
-- +goose StatementEnd

-- +goose StatementBegin
create or replace function remove_totp() returns void
language plpgsql volatile security definer set search_path = ''
as $$
declare
    person uuid := public.hold_factors();
begin
    if not public.current_stepped_up() then
        raise exception 'removing a factor needs a step-up' using errcode = 'IM002';
    end if;
    delete from public.totp_factors t where t.user_id = person;
    if public.has_second_factor(person) then
        return;
    end if;
    if exists (select from public.members m join public.accounts a on a.id = m.account_id
            where m.user_id = person and a.require_second_factor) then
        raise exception 'an account of yours wants a second factor of everybody' using errcode = 'IM002',
            hint = 'ask an owner of the account, or add a passkey first';
    end if;
    delete from public.recovery_codes r where r.user_id = person;
end
$$;
-- +goose StatementEnd

-- +goose StatementBegin
do $$
declare
    signature text;
begin
    execute 'grant create on schema public to imago_definer';
    foreach signature in array array['hold_factors()', 'begin_factor()'] loop
        execute format('alter function public.%s owner to imago_definer', signature);
        execute format('revoke execute on function public.%s from public', signature);
    end loop;
    execute 'revoke create on schema public from imago_definer';
end
$$;
-- +goose StatementEnd
