-- +goose Up
-- A command line that is signed in by a browser which is: the OAuth device grant (RFC 8628).

create table device_sign_ins (
    id uuid not null,
    device_hash bytea not null,
    user_hash bytea not null,
    ip_hash bytea not null,
    origin bytea not null,
    created_at timestamptz not null default now(),
    expires_at timestamptz not null default now() + interval '10 minutes',
    polled_at timestamptz,
    every_seconds int not null default 5,
    account_id uuid,
    approved_by uuid,
    second_factor_at timestamptz,
    denied_at timestamptz,
    used_at timestamptz,
    constraint device_sign_ins_pkey primary key (id),
    constraint device_sign_ins_device_key unique (device_hash),
    constraint device_sign_ins_user_key unique (user_hash),
    constraint device_sign_ins_account_fkey foreign key (account_id) references accounts (id),
    constraint device_sign_ins_approved_by_fkey foreign key (approved_by) references users (id),
    constraint device_sign_ins_hash_length check (octet_length(device_hash) = 32 and octet_length(user_hash) = 32),
    constraint device_sign_ins_origin_length check (octet_length(origin) <= 2000)
);
create index device_sign_ins_ip_idx on device_sign_ins (ip_hash, created_at);
create index device_sign_ins_created_idx on device_sign_ins (created_at);
comment on table device_sign_ins is 'machines that wait to be let in by a person in a browser; reached only through functions';
comment on column device_sign_ins.origin is 'network address and user agent that asked, sealed by the installation''s keyring for signing in';
comment on column device_sign_ins.every_seconds is 'how long the machine is to wait between two questions';
comment on column device_sign_ins.second_factor_at is 'when the person who approved gave their second factor, in the session that did';
alter table device_sign_ins enable row level security;
alter table device_sign_ins force row level security;
grant select, insert, update, delete on device_sign_ins to imago_definer;
create policy device_sign_ins_definer on device_sign_ins to imago_definer using (true) with check (true);

create table device_guesses (
    user_id uuid not null,
    since timestamptz not null default now(),
    tries int not null default 0,
    constraint device_guesses_pkey primary key (user_id),
    constraint device_guesses_user_fkey foreign key (user_id) references users (id)
);
comment on table device_guesses is 'user codes of machines that persons gave and nobody waits for; reached only through functions';
alter table device_guesses enable row level security;
alter table device_guesses force row level security;
grant select, insert, update, delete on device_guesses to imago_definer;
create policy device_guesses_definer on device_guesses to imago_definer using (true) with check (true);

-- The functions below reach across accounts, as those of 00012 do and by the same rules.

-- For imago_api, with no proof.
-- +goose StatementBegin
create function begin_device(id uuid, device bytea, user_code bytea, ip bytea, origin bytea)
returns table (expires_at timestamptz, every_seconds int)
language plpgsql volatile security definer set search_path = ''
as $$
begin
    perform pg_catalog.pg_advisory_xact_lock(7302, pg_catalog.hashtext(encode(ip, 'hex')));
    delete from public.device_sign_ins d where d.created_at < now() - interval '1 day';
    if (select count(*) from public.device_sign_ins d
            where d.ip_hash = ip and d.created_at > now() - interval '1 hour') >= 20 then
        raise exception 'too many sign-ins were begun here' using errcode = 'IM001';
    end if;
    return query
        insert into public.device_sign_ins as d (id, device_hash, user_hash, ip_hash, origin)
        values (begin_device.id, device, user_code, ip, begin_device.origin)
        returning d.expires_at, d.every_seconds;
end
$$;
-- +goose StatementEnd
comment on function begin_device(uuid, bytea, bytea, bytea, bytea) is 'begins the sign-in of a machine: twenty an hour from one place';

-- For imago_api, with a session, in a transaction that is committed also for nothing found:
-- a wrong code is counted.
-- +goose StatementBegin
create function find_device(user_code bytea)
returns table (id uuid, origin bytea, created_at timestamptz, expires_at timestamptz)
language plpgsql volatile security definer set search_path = ''
as $$
declare
    person uuid := public.current_user_id();
    d public.device_sign_ins;
begin
    if person is null then
        return;
    end if;
    if exists (select from public.device_guesses g
            where g.user_id = person and g.tries >= 10 and g.since > now() - interval '10 minutes') then
        raise exception 'too many wrong codes were given' using errcode = 'IM001', hint = 'try again in ten minutes';
    end if;
    select * into d from public.device_sign_ins s
    where s.user_hash = user_code and s.expires_at > now() and s.approved_by is null and s.denied_at is null;
    if d.id is not null then
        return query select d.id, d.origin, d.created_at, d.expires_at;
        return;
    end if;
    insert into public.device_guesses as g (user_id, tries) values (person, 1)
    on conflict on constraint device_guesses_pkey do update set
        tries = case when g.since < now() - interval '10 minutes' then 1 else g.tries + 1 end,
        since = case when g.since < now() - interval '10 minutes' then now() else g.since end;
end
$$;
-- +goose StatementEnd
comment on function find_device(bytea) is 'the machine that waits under a user code; a person may give ten wrong ones in ten minutes';

-- For imago_api, with a session: an account is entered as whoever approves, and the machine
-- proves no more than that session did.
-- +goose StatementBegin
create function approve_device(device uuid) returns boolean
language plpgsql volatile security definer set search_path = ''
as $$
begin
    if not public.current_stepped_up() then
        raise exception 'letting a machine in needs a step-up' using errcode = 'IM002';
    end if;
    update public.device_sign_ins d set account_id = s.account_id, approved_by = s.user_id,
        second_factor_at = case when public.gave_second_factor(s.id) then s.second_factor_at end
    from public.sessions s
    where s.id = public.current_session_id() and d.id = device
        and d.expires_at > now() and d.approved_by is null and d.denied_at is null;
    return found;
end
$$;
-- +goose StatementEnd
comment on function approve_device(uuid) is 'lets a machine in as the person of the presented session; false: it waits no more';

-- +goose StatementBegin
create function deny_device(device uuid) returns boolean
language plpgsql volatile security definer set search_path = ''
as $$
begin
    update public.device_sign_ins d set denied_at = now()
    where public.current_user_id() is not null and d.id = device
        and d.expires_at > now() and d.approved_by is null and d.denied_at is null;
    return found;
end
$$;
-- +goose StatementEnd
comment on function deny_device(uuid) is 'refuses a machine for good; false: it waits no more';

-- For imago_api, with no proof. A machine that asks too soon waits five seconds longer from
-- then on (RFC 8628, section 3.5). It has to step up by itself, whatever who approved it had
-- just proven: that was for the browser.
-- +goose StatementBegin
create function open_device(device bytea, token_hash bytea, idle_for interval, lives_for interval)
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
    insert into public.sessions as s (account_id, user_id, token_hash, kind, idle_expires_at, expires_at, ip_hash)
    values (d.account_id, d.approved_by, open_device.token_hash, 'cli',
        least(now() + idle_for, now() + lives_for), now() + lives_for, d.ip_hash)
    returning s.id into session;
    -- It waits for a second factor as any other, unless who approved it gave theirs.
    update public.sessions s set stepped_up_at = null, second_factor_at = d.second_factor_at,
        pending = s.pending and d.second_factor_at is null
    where s.id = session;
    return query select 'approved', 0, s.account_id, s.expires_at from public.sessions s where s.id = session;
end
$$;
-- +goose StatementEnd
comment on function open_device(bytea, bytea, interval, interval) is 'answers a machine that asks whether it is let in, and opens its session once';

-- +goose StatementBegin
do $$
declare
    f record;
begin
    execute 'grant create on schema public to imago_definer';
    for f in
        select * from (values
            ('begin_device(uuid, bytea, bytea, bytea, bytea)'),
            ('find_device(bytea)'),
            ('approve_device(uuid)'),
            ('deny_device(uuid)'),
            ('open_device(bytea, bytea, interval, interval)')
        ) as t (signature)
    loop
        execute format('alter function public.%s owner to imago_definer', f.signature);
        execute format('revoke execute on function public.%s from public', f.signature);
        execute format('grant execute on function public.%s to imago_api', f.signature);
    end loop;
    execute 'revoke create on schema public from imago_definer';
end
$$;
-- +goose StatementEnd
