-- +goose Up
-- What follows from wanting a second factor, and from one that was wrong.

grant execute on function gave_second_factor(uuid) to imago_api;

-- Whoever asks has given one, so that nobody locks themselves out. Sessions that never
-- gave one end, rather than wait: who holds an old one may not be its person, and would
-- enrol a factor in their name; at a new sign-in, their mailbox is asked first.
-- +goose StatementBegin
create function want_second_factor() returns trigger
language plpgsql security definer set search_path = ''
as $$
begin
    if session_user = 'imago_api' and not public.gave_second_factor(public.current_session_id()) then
        raise exception 'this session never gave a second factor'
            using errcode = 'IM002', hint = 'enrol an authenticator of your own first, and give its code';
    end if;
    update public.sessions s set revoked_at = now()
    where s.account_id = new.id and s.revoked_at is null and not s.pending and not public.gave_second_factor(s.id);
    return null;
end
$$;
-- +goose StatementEnd
comment on function want_second_factor() is 'an account that comes to want a second factor ends the sessions that never gave one';
create trigger accounts_second_factor after update of require_second_factor on accounts for each row
    when (new.require_second_factor and not old.require_second_factor)
    execute function want_second_factor();

-- For imago_api, with a session that may wait for its factor.
-- +goose StatementBegin
create function my_address() returns text
language sql stable security definer set search_path = ''
as $$
    select u.email from public.users u where u.id = public.current_person()
$$;
-- +goose StatementEnd
comment on function my_address() is 'the address of the person whose session was presented';

alter table sign_in_refusals drop constraint sign_in_refusals_nth_range;
alter table sign_in_refusals add constraint sign_in_refusals_nth_range check (nth between 0 and 12);
comment on column sign_in_refusals.nth is '1 to 5: the wrong tries of a code; 6: a try after those; 0: too many codes were asked for; 7 to 11: the wrong tries of a second factor; 12: a try after those';

-- For imago_api, with a session that waits, after try_factor: its accounts are told as of
-- wrong codes. A session that moved here from another account has no code of its own: it
-- gets one that nobody knows, as begin_step_up makes them.
-- +goose StatementBegin
create function note_factor_refusal(id uuid, box bytea) returns void
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
    select note_factor_refusal.id, code, 6 + least(t.tries, 6), note_factor_refusal.box
    from public.totp_factors t where t.user_id = public.current_person() and t.tries > 0
    on conflict (code_id, nth) do nothing;
end
$$;
-- +goose StatementEnd
comment on function note_factor_refusal(uuid, bytea) is 'notes that a second factor was wrong, for the accounts of its person';

-- +goose StatementBegin
do $$
declare
    f record;
begin
    execute 'grant create on schema public to imago_definer';
    for f in
        select * from (values
            ('want_second_factor()', null),
            ('my_address()', 'imago_api'),
            ('note_factor_refusal(uuid, bytea)', 'imago_api')
        ) as t (signature, caller)
    loop
        execute format('alter function public.%s owner to imago_definer', f.signature);
        execute format('revoke execute on function public.%s from public', f.signature);
        if f.caller is not null then
            execute format('grant execute on function public.%s to %I', f.signature, f.caller);
        end if;
    end loop;
    execute 'revoke create on schema public from imago_definer';
end
$$;
-- +goose StatementEnd
