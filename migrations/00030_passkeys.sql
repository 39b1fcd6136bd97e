-- +goose Up
-- Passkeys (WebAuthn level 3): they let in without a mailed code, and are a second factor
-- for who signs in with one. What a ceremony asked for is kept here, and answered once.

create table passkeys (
    id uuid not null default new_id(),
    user_id uuid not null,
    credential_hash bytea not null,
    record bytea not null,
    created_at timestamptz not null default now(),
    used_at timestamptz,
    constraint passkeys_pkey primary key (id),
    constraint passkeys_credential_key unique (credential_hash),
    constraint passkeys_user_fkey foreign key (user_id) references users (id),
    constraint passkeys_hash_length check (octet_length(credential_hash) = 32),
    constraint passkeys_record_length check (octet_length(record) <= 8000)
);
create index passkeys_user_idx on passkeys (user_id);
comment on table passkeys is 'persons'' passkeys; reached only through functions';
comment on column passkeys.credential_hash is 'SHA-256 of the credential''s ID: no authenticator is registered twice';
comment on column passkeys.record is 'its public key, counter and name, sealed by the installation''s keyring for signing in';
alter table passkeys enable row level security;
alter table passkeys force row level security;

create table passkey_ceremonies (
    id uuid not null default new_id(),
    kind text not null,
    session_id uuid,
    client_hash bytea,
    ip_hash bytea not null,
    data bytea not null,
    created_at timestamptz not null default now(),
    constraint passkey_ceremonies_pkey primary key (id),
    constraint passkey_ceremonies_session_fkey foreign key (session_id) references sessions (id) on delete cascade,
    constraint passkey_ceremonies_kind_known check (kind in ('sign_in', 'register', 'prove')),
    constraint passkey_ceremonies_whose check ((kind = 'sign_in') = (session_id is null) and (session_id is null) = (client_hash is not null)),
    constraint passkey_ceremonies_data_length check (octet_length(data) <= 20000)
);
create index passkey_ceremonies_place_idx on passkey_ceremonies (ip_hash, created_at);
create index passkey_ceremonies_age_idx on passkey_ceremonies (created_at);
create index passkey_ceremonies_session_idx on passkey_ceremonies (session_id) where session_id is not null;
comment on table passkey_ceremonies is 'what browsers were asked and have not answered; reached only through functions';
comment on column passkey_ceremonies.data is 'the challenge and what goes with it, as JSON: nothing that is secret once it is answered';
alter table passkey_ceremonies enable row level security;
alter table passkey_ceremonies force row level security;

grant select, insert, update, delete on passkeys, passkey_ceremonies to imago_definer;
create policy passkeys_definer on passkeys to imago_definer using (true) with check (true);
create policy passkey_ceremonies_definer on passkey_ceremonies to imago_definer using (true) with check (true);

alter table sign_in_codes add column passkey_id uuid;
alter table sign_in_codes add constraint sign_in_codes_passkey_fkey
    foreign key (passkey_id) references passkeys (id) on delete cascade;
create index sign_in_codes_passkey_idx on sign_in_codes (passkey_id) where passkey_id is not null;
comment on column sign_in_codes.passkey_id is 'the passkey that stood in for a mailed code, and for the second factor';

-- The functions below reach across accounts, as those of 00012 do and by the same rules.

-- +goose StatementBegin
create function has_second_factor(person uuid) returns boolean
language sql stable security definer set search_path = ''
as $$
    select exists (select from public.totp_factors t where t.user_id = person and t.confirmed_at is not null)
        or exists (select from public.passkeys p where p.user_id = person)
$$;
-- +goose StatementEnd
comment on function has_second_factor(uuid) is 'whether a person has an authenticator that counts, or a passkey';

-- For imago_api: with no proof for signing in, else with the session that asks. Ceremonies
-- that are over go with whoever asks next.
-- +goose StatementBegin
create function begin_ceremony(kind text, client bytea, ip bytea, data bytea) returns uuid
language plpgsql volatile security definer set search_path = ''
as $$
declare
    session uuid := coalesce(public.current_session_id(), public.current_pending_id());
    made uuid;
begin
    if (kind = 'sign_in') <> (session is null) then
        raise exception 'nobody asked for that ceremony' using errcode = 'IM002';
    end if;
    delete from public.passkey_ceremonies c where c.created_at < now() - interval '1 hour';
    perform pg_catalog.pg_advisory_xact_lock(7306, pg_catalog.hashtext(encode(ip, 'hex')));
    if (select count(*) from public.passkey_ceremonies c
            where c.ip_hash = ip and c.created_at > now() - interval '1 hour') >= 300 then
        raise exception 'too many passkeys were asked for' using errcode = 'IM001', hint = 'try again in an hour';
    end if;
    insert into public.passkey_ceremonies as c (kind, session_id, client_hash, ip_hash, data)
    values (begin_ceremony.kind, session, case when session is null then client end, ip, begin_ceremony.data)
    returning c.id into made;
    return made;
end
$$;
-- +goose StatementEnd
comment on function begin_ceremony(text, bytea, bytea, bytea) is 'keeps what a browser is asked: at most 300 in an hour from one place';

-- An answer is looked at once, whatever it is: commit before telling what became of it.
-- +goose StatementBegin
create function take_ceremony(ceremony uuid, kind text, client bytea)
returns table (data bytea, ip_hash bytea)
language sql volatile security definer set search_path = ''
as $$
    delete from public.passkey_ceremonies c
    where c.id = ceremony and c.kind = take_ceremony.kind and c.created_at > now() - interval '5 minutes'
        and case when c.session_id is null then c.client_hash = client
            else c.session_id = coalesce(public.current_session_id(), public.current_pending_id()) end
    returning c.data, c.ip_hash
$$;
-- +goose StatementEnd
comment on function take_ceremony(uuid, text, bytea) is 'what was asked, once, within five minutes, and only for who asked';

-- +goose StatementBegin
create function my_passkeys()
returns table (id uuid, record bytea, created_at timestamptz, used_at timestamptz)
language sql stable security definer set search_path = ''
as $$
    select p.id, p.record, p.created_at, p.used_at
    from public.passkeys p where p.user_id = public.current_person()
    order by p.created_at, p.id
$$;
-- +goose StatementEnd
comment on function my_passkeys() is 'the person''s passkeys, also if their session waits for its second factor';

-- For imago_api, with no proof: a passkey that somebody says is theirs. The record is sealed.
-- +goose StatementBegin
create function find_passkey(person uuid, credential_hash bytea) returns table (id uuid, record bytea)
language sql stable security definer set search_path = ''
as $$
    select p.id, p.record from public.passkeys p
    where p.user_id = person and p.credential_hash = find_passkey.credential_hash
$$;
-- +goose StatementEnd
comment on function find_passkey(uuid, bytea) is 'the passkey of a person with that credential';

-- Whoever holds a session that waits may register only where there is no factor yet. The
-- session goes on under a new token.
-- +goose StatementBegin
create function add_passkey(passkey uuid, credential_hash bytea, record bytea, token_hash bytea) returns timestamptz
language plpgsql volatile security definer set search_path = ''
as $$
declare
    person uuid := public.current_person();
begin
    if person is null or not coalesce(public.current_stepped_up(), false)
            and (public.current_session_id() is not null or public.has_second_factor(person)) then
        raise exception 'a new passkey needs a step-up' using errcode = 'IM002';
    end if;
    perform pg_catalog.pg_advisory_xact_lock(7304, pg_catalog.hashtext(person::text));
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
comment on function add_passkey(uuid, bytea, bytea, bytea) is 'keeps a new passkey of the person''s; null: that credential is registered already';

-- +goose StatementBegin
create function set_recovery_codes(recovery bytea[]) returns boolean
language plpgsql volatile security definer set search_path = ''
as $$
declare
    person uuid := public.current_person();
begin
    if person is null or exists (select from public.recovery_codes r where r.user_id = person and r.used_at is null) then
        return false;
    end if;
    delete from public.recovery_codes r where r.user_id = person;
    insert into public.recovery_codes (user_id, code_hash) select person, c from unnest(recovery) c;
    return true;
end
$$;
-- +goose StatementEnd
comment on function set_recovery_codes(bytea[]) is 'gives the person recovery codes; false: they have some left';

-- The record carries the authenticator's counter on: one that goes back was copied.
-- +goose StatementBegin
create function rise_by_passkey(passkey uuid, record bytea, token_hash bytea) returns timestamptz
language plpgsql volatile security definer set search_path = ''
as $$
begin
    update public.passkeys p set record = rise_by_passkey.record, used_at = now()
    where p.id = passkey and p.user_id = public.current_person();
    if not found then
        return null;
    end if;
    return public.rise(token_hash);
end
$$;
-- +goose StatementEnd
comment on function rise_by_passkey(uuid, bytea, bytea) is 'takes a passkey''s answer, which was found right; null: it is not the person''s';

-- For imago_api, with no proof: a passkey's answer was found right. It stands in for a code
-- that was checked, and opens what that opens.
-- +goose StatementBegin
create function sign_in_by_passkey(passkey uuid, record bytea, client bytea, ip bytea)
returns table (code uuid, account_id uuid, member_role text)
language plpgsql volatile security definer set search_path = ''
as $$
declare
    person uuid;
    attempt uuid;
begin
    update public.passkeys p set record = sign_in_by_passkey.record, used_at = now()
    where p.id = passkey returning p.user_id into person;
    if person is null then
        return;
    end if;
    insert into public.sign_in_codes as c (email, client_hash, ip_hash, verified_at, passkey_id)
    select u.email, client, ip, now(), passkey from public.users u where u.id = person
    returning c.id into attempt;
    return query
        select attempt, m.account_id, m.role from public.members m where m.user_id = person
        order by m.created_at, m.account_id;
end
$$;
-- +goose StatementEnd
comment on function sign_in_by_passkey(uuid, bytea, bytea, bytea) is 'a checked sign-in of a passkey''s owner; nothing for who is in no account any more';

-- +goose StatementBegin
create function remove_passkey(passkey uuid) returns boolean
language plpgsql volatile security definer set search_path = ''
as $$
declare
    person uuid := public.current_user_id();
begin
    if not public.current_stepped_up() then
        raise exception 'removing a passkey needs a step-up' using errcode = 'IM002';
    end if;
    perform pg_catalog.pg_advisory_xact_lock(7304, pg_catalog.hashtext(person::text));
    delete from public.passkeys p where p.id = passkey and p.user_id = person;
    if not found then
        return false;
    end if;
    if not public.has_second_factor(person) then
        if exists (select from public.members m join public.accounts a on a.id = m.account_id
                where m.user_id = person and a.require_second_factor) then
            raise exception 'it is your last factor, and an account of yours wants a second factor of everybody'
                using errcode = 'IM002', hint = 'add another factor first';
        end if;
        delete from public.recovery_codes r where r.user_id = person;
    end if;
    return true;
end
$$;
-- +goose StatementEnd
comment on function remove_passkey(uuid) is 'removes one of the person''s passkeys; false: there is none such';

-- What follows counts a passkey as a second factor, as an authenticator.

-- +goose StatementBegin
create or replace function begin_session() returns trigger
language plpgsql security definer set search_path = ''
as $$
declare
    has boolean := public.has_second_factor(new.user_id);
    wanted boolean := exists (
        select from public.members m join public.accounts a on a.id = m.account_id
        where m.user_id = new.user_id and a.require_second_factor);
begin
    if public.current_user_id() = new.user_id then
        new.stepped_up_at := (select s.stepped_up_at from public.sessions s where s.id = public.current_session_id());
        new.pending := wanted and not has;
    else
        new.pending := (wanted or has) and new.second_factor_at is null;
    end if;
    if new.pending then
        new.stepped_up_at := null;
    end if;
    return new;
end
$$;
-- +goose StatementEnd

-- +goose StatementBegin
create or replace function session_waits_for(token_hash bytea) returns text
language sql stable security definer set search_path = ''
as $$
    select case
        when not s.pending then ''
        when exists (select from public.totp_factors t where t.user_id = s.user_id and t.confirmed_at is not null) then 'totp'
        when public.has_second_factor(s.user_id) then 'passkey'
        else 'enroll' end
    from public.sessions s where s.token_hash = session_waits_for.token_hash
$$;
-- +goose StatementEnd
comment on function session_waits_for(bytea) is 'what a session needs before it lets in: totp, passkey, enroll, or nothing';

-- +goose StatementBegin
create or replace function begin_step_up()
returns table (id uuid, expires_at timestamptz)
language plpgsql volatile security definer set search_path = ''
as $$
declare
    session uuid := public.current_session_id();
    person uuid := public.current_user_id();
begin
    if session is null then
        raise exception 'there is no session to step up' using errcode = 'IM002';
    end if;
    if public.has_second_factor(person) then
        raise exception 'your second factor steps up, and mail does not' using errcode = 'IM002',
            hint = 'use your passkey, or give the code of your authenticator app';
    end if;
    perform pg_catalog.pg_advisory_xact_lock(7304, pg_catalog.hashtext(person::text));
    if (select count(*) from public.sign_in_codes c join public.sessions s on s.id = c.session_id
            where s.user_id = person and c.created_at > now() - interval '1 hour') >= 10 then
        raise exception 'too many codes were asked for' using errcode = 'IM001',
            hint = 'use one that was mailed, or sign in again';
    end if;
    return query
        insert into public.sign_in_codes as c (email, client_hash, ip_hash, session_id)
        select u.email, sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())),
            sha256(uuid_send(gen_random_uuid())), session
        from public.users u where u.id = person
        returning c.id, c.expires_at;
end
$$;
-- +goose StatementEnd

-- +goose StatementBegin
create or replace function remove_totp() returns void
language plpgsql volatile security definer set search_path = ''
as $$
begin
    if not public.current_stepped_up() then
        raise exception 'removing a factor needs a step-up' using errcode = 'IM002';
    end if;
    delete from public.totp_factors t where t.user_id = public.current_user_id();
    if public.has_second_factor(public.current_user_id()) then
        return;
    end if;
    if exists (select from public.members m join public.accounts a on a.id = m.account_id
            where m.user_id = public.current_user_id() and a.require_second_factor) then
        raise exception 'an account of yours wants a second factor of everybody' using errcode = 'IM002',
            hint = 'ask an owner of the account, or add a passkey first';
    end if;
    delete from public.recovery_codes r where r.user_id = public.current_user_id();
end
$$;
-- +goose StatementEnd

-- +goose StatementBegin
create or replace function gave_second_factor(session uuid) returns boolean
language sql stable security definer set search_path = ''
as $$
    select exists (
            select from public.sessions s join public.totp_factors t on t.user_id = s.user_id
            where s.id = session and s.second_factor_at >= t.confirmed_at)
        or exists (
            select from public.sessions s join public.passkeys p on p.user_id = s.user_id
            where s.id = session and s.second_factor_at >= p.created_at)
$$;
-- +goose StatementEnd

-- +goose StatementBegin
create or replace function open_session(code uuid, client bytea, account uuid, account_name text, wrapped bytea,
    token_hash bytea, kind text, idle_for interval, lives_for interval)
returns table (id uuid, user_id uuid, idle_expires_at timestamptz, expires_at timestamptz, made boolean)
language plpgsql volatile security definer set search_path = ''
as $$
declare
    c public.sign_in_codes;
    person uuid;
    makes boolean := false;
begin
    select * into c from public.sign_in_codes s where s.id = code for update;
    if c.id is null or c.client_hash <> client or c.verified_at is null or c.used_at is not null
            or c.expires_at <= now() then
        raise exception 'no code was checked that this session could be opened with' using errcode = 'IM002';
    end if;
    update public.sign_in_codes s set used_at = now() where s.id = code;

    insert into public.users as u (email) values (c.email) on conflict on constraint users_email_key do nothing;
    select u.id into person from public.users u where u.email = c.email;

    if not exists (select from public.members m where m.account_id = account and m.user_id = person) then
        if wrapped is null or exists (select from public.members m where m.user_id = person)
                or exists (select from public.accounts a where a.id = account) then
            raise exception 'that account is not open to this person' using errcode = 'IM002';
        end if;
        makes := true;
        insert into public.accounts (id, name) values (account, account_name);
        insert into public.members (account_id, user_id, role) values (account, person, 'owner');
        insert into public.account_keys (account_id, wrapped) values (account, open_session.wrapped);
    end if;

    return query
        insert into public.sessions as s (account_id, user_id, token_hash, kind, idle_expires_at, expires_at, ip_hash, second_factor_at)
        values (account, person, open_session.token_hash, open_session.kind,
            least(now() + idle_for, now() + lives_for), now() + lives_for, c.ip_hash,
            case when c.passkey_id is not null then now() end)
        returning s.id, s.user_id, s.idle_expires_at, s.expires_at, makes;
end
$$;
-- +goose StatementEnd

-- The limits of mailed codes count those alone.
-- +goose StatementBegin
create or replace function begin_sign_in(address text, client bytea, ip bytea)
returns table (id uuid, expires_at timestamptz)
language plpgsql volatile security definer set search_path = ''
as $$
begin
    -- Whoever asks at the same moment waits, so that the limits hold.
    perform pg_catalog.pg_advisory_xact_lock(7301, pg_catalog.hashtext(lower(address)));
    perform pg_catalog.pg_advisory_xact_lock(7302, pg_catalog.hashtext(encode(ip, 'hex')));
    if (select count(*) from public.sign_in_codes c
            where c.email = lower(address) and c.ip_hash = ip and c.created_at > now() - interval '1 hour' and c.passkey_id is null) >= 5
        or (select count(*) from public.sign_in_codes c
            where c.ip_hash = ip and c.created_at > now() - interval '1 hour' and c.passkey_id is null) >= 20 then
        raise exception 'too many sign-in codes were asked for' using errcode = 'IM001';
    end if;
    if not public.knows_place(address, ip)
        and (select count(*) from public.sign_in_codes c
            where c.email = lower(address) and c.created_at > now() - interval '1 hour' and c.session_id is null and c.passkey_id is null
                and not public.knows_place(address, c.ip_hash)) >= 20 then
        raise exception 'too many sign-in codes were asked for this address' using errcode = 'IM001',
            hint = 'try again in an hour, or from a network that you have signed in from before';
    end if;
    return query
        insert into public.sign_in_codes as c (email, client_hash, ip_hash)
        values (lower(address), client, ip)
        returning c.id, c.expires_at;
end
$$;
-- +goose StatementEnd

-- Tries of who has passkeys alone are not counted: the first that is wrong is told.
-- +goose StatementBegin
create or replace function note_factor_refusal(id uuid, box bytea) returns void
language plpgsql volatile security definer set search_path = ''
as $$
declare
    session uuid := public.current_pending_id();
    code uuid := (select c.id from public.sign_in_codes c where c.session_id = session limit 1);
begin
    if session is null then
        return;
    end if;
    if code is null then
        insert into public.sign_in_codes as c (email, client_hash, ip_hash, session_id)
        select public.my_address(), sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())),
            sha256(uuid_send(gen_random_uuid())), session
        returning c.id into code;
    end if;
    insert into public.sign_in_refusals (id, code_id, nth, box)
    values (note_factor_refusal.id, code, 6 + coalesce(
        (select least(t.tries, 6) from public.totp_factors t where t.user_id = public.current_person()), 6), note_factor_refusal.box)
    on conflict (code_id, nth) do nothing;
end
$$;
-- +goose StatementEnd

-- +goose StatementBegin
do $$
declare
    f record;
begin
    execute 'grant create on schema public to imago_definer';
    for f in
        select * from (values
            ('has_second_factor(uuid)', 'imago_definer'),
            ('begin_ceremony(text, bytea, bytea, bytea)', 'imago_api'),
            ('take_ceremony(uuid, text, bytea)', 'imago_api'),
            ('my_passkeys()', 'imago_api'),
            ('find_passkey(uuid, bytea)', 'imago_api'),
            ('add_passkey(uuid, bytea, bytea, bytea)', 'imago_api'),
            ('set_recovery_codes(bytea[])', 'imago_api'),
            ('rise_by_passkey(uuid, bytea, bytea)', 'imago_api'),
            ('sign_in_by_passkey(uuid, bytea, bytea, bytea)', 'imago_api'),
            ('remove_passkey(uuid)', 'imago_api')
        ) as t (signature, callers)
    loop
        execute format('alter function public.%s owner to imago_definer', f.signature);
        execute format('revoke execute on function public.%s from public', f.signature);
        execute format('grant execute on function public.%s to %s', f.signature, f.callers);
    end loop;
    execute 'revoke create on schema public from imago_definer';
end
$$;
-- +goose StatementEnd
