-- +goose Up
-- Signing in at another identity provider (OpenID Connect): an account's own, whose word
-- counts in that account alone, or the installation's, whose word is as good as a mailed code.

create table sso_providers (
    account_id uuid not null,
    slug text not null,
    issuer text not null,
    client_id text not null,
    secret bytea not null,
    required boolean not null default false,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint sso_providers_pkey primary key (account_id),
    constraint sso_providers_slug_key unique (slug),
    constraint sso_providers_account_fkey foreign key (account_id) references accounts (id) on delete cascade,
    constraint sso_providers_slug_form check (slug ~ '^[a-z0-9][a-z0-9-]{1,38}[a-z0-9]$'),
    constraint sso_providers_issuer_length check (char_length(issuer) between 8 and 500),
    constraint sso_providers_client_length check (char_length(client_id) between 1 and 500),
    constraint sso_providers_secret_length check (octet_length(secret) <= 2000)
);
comment on table sso_providers is 'the identity provider at which an account''s members sign in';
comment on column sso_providers.slug is 'what people write to sign in there: it is known to everybody';
comment on column sso_providers.secret is 'the client''s secret, sealed by the installation''s keyring for signing in: nobody is signed in yet when it is needed';
comment on column sso_providers.required is 'all but owners enter the account by it alone; owners always get in, also when it broke';
alter table sso_providers enable row level security;
alter table sso_providers force row level security;
create policy sso_providers_read on sso_providers for select to imago_api
    using (account_id = (select current_account()));
-- Who says where members sign in, says who an owner is: only owners do.
create policy sso_providers_insert on sso_providers for insert to imago_api
    with check (account_id = (select current_account()) and (select current_member_role()) = 'owner');
create policy sso_providers_update on sso_providers for update to imago_api
    using (account_id = (select current_account()) and (select current_member_role()) = 'owner');
create policy sso_providers_delete on sso_providers for delete to imago_api
    using (account_id = (select current_account()) and (select current_member_role()) = 'owner');
grant select, delete, insert (account_id, slug, issuer, client_id, secret, required),
    update (slug, issuer, client_id, secret, required, updated_at) on sso_providers to imago_api;

create table sso_attempts (
    id uuid not null default new_id(),
    account_id uuid,
    state_hash bytea not null,
    client_hash bytea not null,
    ip_hash bytea not null,
    box bytea not null,
    created_at timestamptz not null default now(),
    constraint sso_attempts_pkey primary key (id),
    constraint sso_attempts_state_key unique (state_hash),
    constraint sso_attempts_provider_fkey foreign key (account_id) references sso_providers (account_id) on delete cascade,
    constraint sso_attempts_box_length check (octet_length(box) <= 2000)
);
create index sso_attempts_account_idx on sso_attempts (account_id) where account_id is not null;
create index sso_attempts_place_idx on sso_attempts (ip_hash, created_at);
create index sso_attempts_age_idx on sso_attempts (created_at);
comment on table sso_attempts is 'who was sent to an identity provider and has not come back; reached only through functions';
comment on column sso_attempts.account_id is 'null: the installation''s own';
comment on column sso_attempts.box is 'nonce and verifier, sealed by the installation''s keyring for signing in';
alter table sso_attempts enable row level security;
alter table sso_attempts force row level security;

create table sso_identities (
    identity_hash bytea not null,
    account_id uuid not null,
    user_id uuid not null,
    created_at timestamptz not null default now(),
    constraint sso_identities_pkey primary key (identity_hash),
    constraint sso_identities_provider_fkey foreign key (account_id) references sso_providers (account_id) on delete cascade,
    constraint sso_identities_user_fkey foreign key (user_id) references users (id),
    constraint sso_identities_person_key unique (account_id, user_id),
    constraint sso_identities_hash_length check (octet_length(identity_hash) = 32)
);
create index sso_identities_user_idx on sso_identities (user_id);
comment on table sso_identities is 'whom an account''s provider calls what, from the first time on: an address that it gives to another person later is not the first one''s';
alter table sso_identities enable row level security;
alter table sso_identities force row level security;

create policy sso_attempts_own on sso_attempts to imago_api using (account_id = (select current_account()));
create policy sso_identities_own on sso_identities to imago_api using (account_id = (select current_account()));
grant select (account_id) on sso_identities to imago_api;
grant select, insert, update, delete on sso_attempts, sso_identities to imago_definer;
grant select on sso_providers to imago_definer;
create policy sso_attempts_definer on sso_attempts to imago_definer using (true) with check (true);
create policy sso_identities_definer on sso_identities to imago_definer using (true) with check (true);
create policy sso_providers_definer on sso_providers for select to imago_definer using (true);

alter table sign_in_codes add column sso boolean not null default false;
alter table sign_in_codes add column sso_account_id uuid;
alter table sign_in_codes add constraint sign_in_codes_sso_fkey foreign key (sso_account_id) references sso_providers (account_id) on delete cascade;
create index sign_in_codes_sso_idx on sign_in_codes (sso_account_id) where sso_account_id is not null;
comment on column sign_in_codes.sso is 'an identity provider stood in for a mailed code';
comment on column sign_in_codes.sso_account_id is 'whose own that was: its word counts there alone';
alter table sessions add column sso boolean not null default false;
comment on column sessions.sso is 'the account''s identity provider let it in: it is good for that account';
alter table device_sign_ins add column sso boolean not null default false;
comment on column device_sign_ins.sso is 'as of the session that let the machine in';

-- The functions below reach across accounts, as those of 00012 do and by the same rules.

-- +goose StatementBegin
create function may_enter(account uuid, role text) returns boolean
language sql stable security definer set search_path = ''
as $$
    select role = 'owner' or not exists (select from public.sso_providers p where p.account_id = account and p.required)
$$;
-- +goose StatementEnd
comment on function may_enter(uuid, text) is 'whether a member may enter an account by another way than its identity provider: owners always';

-- +goose StatementBegin
create function current_sso() returns boolean
language sql stable security definer set search_path = ''
as $$
    select coalesce((select s.sso from public.sessions s where s.id = public.current_session_id()), false)
$$;
-- +goose StatementEnd
comment on function current_sso() is 'whether its account''s identity provider let the presented session in';

-- Whoever runs an account's identity provider says who signs in there. They must not come
-- by that into the person's other accounts: a session of it stays in its account, and changes
-- how its person signs in only once the person has proven by other means who they are.
-- +goose StatementBegin
create function guard_own_factors() returns trigger
language plpgsql set search_path = ''
as $$
begin
    if session_user = 'imago_api' and public.current_sso() and not public.current_stepped_up() then
        raise exception 'you came in by the account''s identity provider, which is not proof enough for this'
            using errcode = 'IM002', hint = 'step up first';
    end if;
    return coalesce(new, old);
end
$$;
-- +goose StatementEnd
comment on function guard_own_factors() is 'keeps an identity provider from giving itself another way in';
create trigger totp_factors_own before insert or delete or update of secret, next_secret, confirmed_at on totp_factors
    for each row execute function guard_own_factors();
create trigger passkeys_own before insert or delete on passkeys for each row execute function guard_own_factors();

-- +goose StatementBegin
create function guard_entry() returns trigger
language plpgsql security definer set search_path = ''
as $$
declare
    own public.sso_providers;
begin
    if new.kind = 'token' or tg_op = 'UPDATE' and new.account_id = old.account_id then
        return new;
    end if;
    if tg_op = 'UPDATE' and old.sso then
        raise exception 'you came in by the account''s identity provider, which lets into that account alone'
            using errcode = 'IM002', hint = 'sign in by a mailed code or a passkey to enter your other accounts';
    end if;
    select * into own from public.sso_providers p where p.account_id = new.account_id;
    if new.sso and own.account_id is null or not new.sso and own.required and not exists (
            select from public.members m where m.account_id = new.account_id and m.user_id = new.user_id and m.role = 'owner') then
        raise exception 'this account is entered by its identity provider' using errcode = 'IM002',
            hint = 'sign in with your company as "' || coalesce(own.slug, '') || '"; its owners can sign in by a mailed code, too';
    end if;
    return new;
end
$$;
-- +goose StatementEnd
comment on function guard_entry() is 'an account''s identity provider lets into that account alone; where that is the way in, others are for owners';
create trigger sessions_entry before insert or update of account_id on sessions for each row execute function guard_entry();

-- +goose StatementBegin
create function follow_member() returns trigger
language plpgsql security definer set search_path = ''
as $$
begin
    if tg_op = 'DELETE' then
        delete from public.sso_identities i where i.account_id = old.account_id and i.user_id = old.user_id;
    elsif not public.may_enter(new.account_id, new.role) then
        update public.sessions s set revoked_at = now()
        where s.account_id = new.account_id and s.user_id = new.user_id and not s.sso and s.kind <> 'token' and s.revoked_at is null;
    end if;
    return null;
end
$$;
-- +goose StatementEnd
comment on function follow_member() is 'who is removed is known to the identity provider no more; who is no owner any more has come in by it';
create trigger members_sso after delete or update of role on members for each row execute function follow_member();

-- Whoever comes to want it has come in by it, or is an owner: so that it works.
-- +goose StatementBegin
create function guard_sso() returns trigger
language plpgsql security definer set search_path = ''
as $$
begin
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
comment on function guard_sso() is 'who came in by a way that is none any more is put out';
create trigger sso_providers_guard before insert or update or delete on sso_providers for each row execute function guard_sso();

-- For imago_api, with no proof.
-- +goose StatementBegin
create function find_sso(slug text, account uuid)
returns table (account_id uuid, issuer text, client_id text, secret bytea)
language sql stable security definer set search_path = ''
as $$
    select p.account_id, p.issuer, p.client_id, p.secret
    from public.sso_providers p where p.slug = lower(find_sso.slug) or p.account_id = account
$$;
-- +goose StatementEnd
comment on function find_sso(text, uuid) is 'an account''s identity provider, by its name or as its account''s; the secret is sealed';

-- +goose StatementBegin
create function begin_sso(account uuid, state bytea, client bytea, ip bytea, box bytea) returns void
language plpgsql volatile security definer set search_path = ''
as $$
begin
    delete from public.sso_attempts a where a.created_at < now() - interval '1 hour';
    perform pg_catalog.pg_advisory_xact_lock(7307, pg_catalog.hashtext(encode(ip, 'hex')));
    if (select count(*) from public.sso_attempts a where a.ip_hash = ip and a.created_at > now() - interval '1 hour') >= 100 then
        raise exception 'too many sign-ins were begun' using errcode = 'IM001', hint = 'try again in an hour';
    end if;
    insert into public.sso_attempts (account_id, state_hash, client_hash, ip_hash, box)
    values (account, state, client, ip, begin_sso.box);
end
$$;
-- +goose StatementEnd
comment on function begin_sso(uuid, bytea, bytea, bytea, bytea) is 'keeps who was sent to an identity provider: at most 100 in an hour from one place';

-- +goose StatementBegin
create function take_sso(account uuid, state bytea, client bytea) returns table (box bytea, ip_hash bytea)
language sql volatile security definer set search_path = ''
as $$
    delete from public.sso_attempts a
    where a.state_hash = state and a.client_hash = client and a.account_id is not distinct from account
        and a.created_at > now() - interval '10 minutes'
    returning a.box, a.ip_hash
$$;
-- +goose StatementEnd
comment on function take_sso(uuid, bytea, bytea) is 'what was kept of who comes back: once, within ten minutes, from the same browser and the same provider';

-- For imago_api, with no proof: a provider's answer was found right. It stands in for a code
-- that was checked. An account's own is believed of the account's members alone, and of an
-- address only the first time; the installation's is believed as a mailed code is.
-- +goose StatementBegin
create function sign_in_by_sso(account uuid, identity bytea, address text, verified boolean, client bytea, ip bytea)
returns table (code uuid, account_id uuid, member_role text)
language plpgsql volatile security definer set search_path = ''
as $$
declare
    attempt uuid;
    mail text := case when verified then lower(address) end;
begin
    if account is not null then
        insert into public.sso_identities (identity_hash, account_id, user_id)
        select identity, account, m.user_id
        from public.members m join public.users u on u.id = m.user_id
        where m.account_id = account and u.email = mail
        on conflict do nothing; -- either is known by another one already
        mail := (
            select u.email from public.sso_identities i join public.users u on u.id = i.user_id
            where i.identity_hash = identity and i.account_id = account);
    end if;
    if mail is null then
        return;
    end if;
    insert into public.sign_in_codes as c (email, client_hash, ip_hash, verified_at, sso, sso_account_id)
    values (mail, client, ip, now(), true, account)
    returning c.id into attempt;
    return query
        select attempt, m.account_id, m.role
        from (values (1)) one (n)
        left join public.users u on u.email = mail
        left join public.members m on m.user_id = u.id and (account is null or m.account_id = account)
        order by account is null and not public.may_enter(m.account_id, m.role), m.created_at, m.account_id;
end
$$;
-- +goose StatementEnd
comment on function sign_in_by_sso(uuid, bytea, text, boolean, bytea, bytea) is 'a checked sign-in of whom a provider names; nothing for who may not come in by it';

-- What follows keeps a session of an account's identity provider in that account, and those
-- of other ways out of an account that is entered by it alone.

-- +goose StatementBegin
create or replace function check_code(code uuid, code_hash bytea, client bytea)
returns table (outcome text, tries_left int, user_id uuid, account_id uuid, member_role text)
language plpgsql volatile security definer set search_path = ''
as $$
declare
    c public.sign_in_codes;
begin
    select * into c from public.sign_in_codes s where s.id = code for update;
    if c.id is null or c.client_hash <> client then
        return query select 'unknown', 0, null::uuid, null::uuid, null::text;
    elsif c.used_at is not null then
        return query select 'used', 0, null::uuid, null::uuid, null::text;
    elsif c.expires_at <= now() then
        return query select 'expired', 0, null::uuid, null::uuid, null::text;
    elsif c.tries >= 5 then
        return query select 'exhausted', 0, null::uuid, null::uuid, null::text;
    elsif c.code_hash is null or c.code_hash <> check_code.code_hash then
        update public.sign_in_codes s set tries = s.tries + 1 where s.id = code;
        return query select 'wrong', 4 - c.tries, null::uuid, null::uuid, null::text;
    else
        update public.sign_in_codes s set verified_at = now() where s.id = code;
        return query
            select 'right', 0, u.id, m.account_id, m.role
            from (values (1)) one (n)
            left join public.users u on u.email = c.email
            left join public.members m on m.user_id = u.id
            order by not public.may_enter(m.account_id, m.role), m.created_at, m.account_id;
    end if;
end
$$;
-- +goose StatementEnd

-- +goose StatementBegin
create or replace function sign_in_by_passkey(passkey uuid, record bytea, client bytea, ip bytea)
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
        order by not public.may_enter(m.account_id, m.role), m.created_at, m.account_id;
end
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
    if c.sso_account_id <> account then
        raise exception 'that account is not open to this identity provider' using errcode = 'IM002';
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
        insert into public.sessions as s (account_id, user_id, token_hash, kind, idle_expires_at, expires_at, ip_hash, sso,
            second_factor_at, stepped_up_at)
        values (account, person, open_session.token_hash, open_session.kind,
            least(now() + idle_for, now() + lives_for), now() + lives_for, c.ip_hash, c.sso_account_id is not null,
            case when c.passkey_id is not null or c.sso_account_id is not null then now() end,
            -- Who took over the identity provider can look, and must not approve or change the team.
            case when c.sso_account_id is null then now() end)
        returning s.id, s.user_id, s.idle_expires_at, s.expires_at, makes;
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
        or exists (select from public.sessions s where s.id = session and s.sso)
        or exists (
            select from public.sessions s join public.passkeys p on p.user_id = s.user_id
            where s.id = session and s.second_factor_at >= p.created_at)
$$;
-- +goose StatementEnd

-- +goose StatementBegin
create or replace function my_accounts() returns table (account_id uuid, name text, role text, joined_at timestamptz)
language sql stable security definer set search_path = ''
as $$
    select a.id, a.name, m.role, m.created_at
    from public.members m join public.accounts a on a.id = m.account_id
    where m.user_id = public.current_user_id() and (not public.current_sso() or a.id = public.current_account())
    order by m.created_at, a.id
$$;
-- +goose StatementEnd

-- +goose StatementBegin
create or replace function my_sessions()
returns table (id uuid, kind text, account_name text, created_at timestamptz, seen_at timestamptz,
    expires_at timestamptz, origin bytea, is_current boolean)
language sql stable security definer set search_path = ''
as $$
    select s.id, s.kind, a.name, s.created_at, s.seen_at, least(s.expires_at, s.idle_expires_at), s.origin,
        s.id = public.current_session_id()
    from public.sessions s
    join public.accounts a on a.id = s.account_id
    join public.members m on m.account_id = s.account_id and m.user_id = s.user_id
    where s.user_id = public.current_user_id() and (not public.current_sso() or s.account_id = public.current_account()) and s.kind <> 'token' and s.revoked_at is null
        and s.expires_at > now() and s.idle_expires_at > now()
    order by s.seen_at desc, s.id
$$;
-- +goose StatementEnd

-- +goose StatementBegin
create or replace function end_session(session uuid) returns boolean
language sql volatile security definer set search_path = ''
as $$
    with ended as (
        update public.sessions s set revoked_at = now()
        where s.id = session and (not public.current_sso() or s.account_id = public.current_account()) and s.user_id = public.current_user_id() and s.revoked_at is null
        returning s.id
    )
    select exists (select from ended)
$$;
-- +goose StatementEnd

-- +goose StatementBegin
create or replace function end_other_sessions() returns bigint
language sql volatile security definer set search_path = ''
as $$
    with ended as (
        update public.sessions s set revoked_at = now()
        where s.user_id = public.current_user_id() and s.id <> public.current_session_id()
            and (not public.current_sso() or s.account_id = public.current_account()) and s.kind <> 'token'
            and s.revoked_at is null and s.expires_at > now() and s.idle_expires_at > now()
        returning s.id
    )
    select count(*) from ended
$$;
-- +goose StatementEnd

-- +goose StatementBegin
create or replace function approve_device(device uuid) returns boolean
language plpgsql volatile security definer set search_path = ''
as $$
begin
    if not public.current_stepped_up() then
        raise exception 'letting a machine in needs a step-up' using errcode = 'IM002';
    end if;
    update public.device_sign_ins d set account_id = s.account_id, approved_by = s.user_id, sso = s.sso,
        second_factor_at = case when public.gave_second_factor(s.id) then s.second_factor_at end
    from public.sessions s
    where s.id = public.current_session_id() and d.id = device
        and d.expires_at > now() and d.approved_by is null and d.denied_at is null;
    return found;
end
$$;
-- +goose StatementEnd

-- +goose StatementBegin
create or replace function open_device(device bytea, token_hash bytea, idle_for interval, lives_for interval)
returns table (status text, every_seconds int, account_id uuid, expires_at timestamptz)
language plpgsql volatile security definer set search_path = ''
as $$
declare
    d public.device_sign_ins;
    soon boolean;
    session uuid;
begin
    select * into d from public.device_sign_ins s where s.device_hash = device for update;
    if d.id is null or d.used_at is not null or d.expires_at <= now() then
        return query select 'expired', 0, null::uuid, null::timestamptz;
        return;
    end if;
    if d.denied_at is not null or d.approved_by is not null and not exists (
            select from public.members m where m.account_id = d.account_id and m.user_id = d.approved_by) then
        return query select 'denied', 0, null::uuid, null::timestamptz;
        return;
    end if;
    soon := d.polled_at > now() - make_interval(secs => d.every_seconds - 1);
    update public.device_sign_ins s set polled_at = now(),
        every_seconds = s.every_seconds + case when soon then 5 else 0 end
    where s.id = d.id;
    if soon or d.approved_by is null then
        return query select case when soon then 'slow_down' else 'pending' end,
            d.every_seconds + case when soon then 5 else 0 end, null::uuid, null::timestamptz;
        return;
    end if;
    update public.device_sign_ins s set used_at = now() where s.id = d.id;
    insert into public.sessions as s (account_id, user_id, token_hash, kind, idle_expires_at, expires_at, ip_hash, sso)
    values (d.account_id, d.approved_by, open_device.token_hash, 'cli',
        least(now() + idle_for, now() + lives_for), now() + lives_for, d.ip_hash, d.sso)
    returning s.id into session;
    -- It waits for a second factor as any other, unless who approved it gave theirs.
    update public.sessions s set stepped_up_at = null, second_factor_at = d.second_factor_at,
        pending = s.pending and d.second_factor_at is null
    where s.id = session;
    return query select 'approved', 0, s.account_id, s.expires_at from public.sessions s where s.id = session;
end
$$;
-- +goose StatementEnd

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
            where c.email = lower(address) and c.ip_hash = ip and c.created_at > now() - interval '1 hour' and c.passkey_id is null and not c.sso) >= 5
        or (select count(*) from public.sign_in_codes c
            where c.ip_hash = ip and c.created_at > now() - interval '1 hour' and c.passkey_id is null and not c.sso) >= 20 then
        raise exception 'too many sign-in codes were asked for' using errcode = 'IM001';
    end if;
    if not public.knows_place(address, ip)
        and (select count(*) from public.sign_in_codes c
            where c.email = lower(address) and c.created_at > now() - interval '1 hour' and c.session_id is null and c.passkey_id is null and not c.sso
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

-- +goose StatementBegin
do $$
declare
    f record;
begin
    execute 'grant create on schema public to imago_definer';
    for f in
        select * from (values
            ('may_enter(uuid, text)', null),
            ('current_sso()', 'imago_api, imago_worker, imago_drift'),
            ('guard_sso()', null),
            ('guard_entry()', null),
            ('follow_member()', null),
            ('find_sso(text, uuid)', 'imago_api'),
            ('begin_sso(uuid, bytea, bytea, bytea, bytea)', 'imago_api'),
            ('take_sso(uuid, bytea, bytea)', 'imago_api'),
            ('sign_in_by_sso(uuid, bytea, text, boolean, bytea, bytea)', 'imago_api')
        ) as t (signature, callers)
    loop
        execute format('alter function public.%s owner to imago_definer', f.signature);
        execute format('revoke execute on function public.%s from public', f.signature);
        if f.callers is not null then
            execute format('grant execute on function public.%s to %s', f.signature, f.callers);
        end if;
    end loop;
    execute 'revoke create on schema public from imago_definer';
end
$$;
-- +goose StatementEnd
